"""A model fine-tuned once, for a few steps, on real weights and a small table."""

import csv
import itertools
from pathlib import Path

import pytest

import mason
from mason.workflows import Run

THINGS = "phone lamp chair book kettle radio camera".split()
SAID = {
    "good": ("great value", "works well", "worth every penny", "my favourite", "very happy"),
    "bad": ("broke in a day", "waste of money", "stopped working", "far too slow", "never again"),
}


def write_reviews(file: Path, encoding: str = "utf-8") -> Path:
    """Reviews, 35 of each label."""
    with file.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for label, sayings in SAID.items():
            for thing, saying in itertools.product(THINGS, sayings):
                writer.writerow([f"The {thing}: {saying}.", label])
    return file


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The finished run; its folder is a fresh one."""
    folder = tmp_path_factory.mktemp("run")
    data = write_reviews(folder / "reviews.csv")
    options = {"training.max_steps": 12, "training.epochs": 6, "training.learning_rate": 3e-4}
    return mason.train("all-MiniLM-L6-v2", data, output=folder / "out", **options)
