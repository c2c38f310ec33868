"""A small classifier that has learned to tell praise from blame."""

from pathlib import Path

import pytest
import torch

import mason
from mason.workflows import Model
from tests.contracts.tiny import write_model, write_tables

LEARNING = {"training.max_steps": 60, "training.learning_rate": 2e-3, "training.batch_size": 20}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without a head."""
    return write_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def trained(folder: Path) -> Path:
    """The folder of a finished run; the table it was made of is still there."""
    write_tables(folder.parent)
    options = {**LEARNING, "output.report": False}
    mason.train(folder, folder.parent / "reviews.csv", output=folder.parent / "run", **options)
    return folder.parent / "run"


@pytest.fixture(scope="session")
def classifier(trained: Path) -> Model:
    return mason.load(trained)
