"""A small classifier as a user holds it, with random weights."""

from pathlib import Path

import pytest
import torch

import mason
from mason.workflows import Model
from tests.contracts.tiny import write_model

LABELS = ("bad", "good", "neither")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without a head."""
    return write_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def classifier(folder: Path) -> Model:
    model = mason.load(folder, labels=LABELS)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.network.parameters():  # labels that differ from text to text
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model
