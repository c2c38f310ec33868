"""Models trained once: a classifier from real weights, and a small one that learned to talk."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

import mason
from mason.workflows import Run

THINGS = "phone lamp chair book kettle radio camera".split()
SAID = {
    "good": ("great value", "works well", "worth every penny", "my favourite", "very happy"),
    "bad": ("broke in a day", "waste of money", "stopped working", "far too slow", "never again"),
}

COLOURS, ANIMALS = ("red", "blue", "green"), ("cat", "dog", "bird", "fish")
FAST = {"training.threads": 1, "output.checkpoints": 0}
TINY = {"model.shape": "llama-tiny", "model.vocab_size": 400, "model.chat_template": "chatml"}


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


def talks() -> list[dict[str, Any]]:
    found = []
    for number in range(60):
        animal, colour = ANIMALS[number % 4], COLOURS[number % 3]
        said = (f"Which colour has {animal} {number}?", f"It is {colour}.", "什么？", animal)
        roles = ("human", "gpt") * 2
        turns = [{"from": a, "value": b} for a, b in zip(roles, said, strict=True)]
        found.append({"conversations": turns, "part": str(number // 6)})
    return found


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return file


@pytest.fixture(scope="session")
def talked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    """A finished run of dialogue, and what it said on the way."""
    folder, said = tmp_path_factory.mktemp("dialogue"), list[str]()
    made = mason.train(
        data=write(folder / "talks.jsonl", talks()),
        output=folder / "out",
        task="dialogue",
        notice=said.append,
        **FAST,
        **TINY,
        **{"training.max_steps": 60, "training.learning_rate": 5e-3, "data.group": "part"},
    )
    return made, said
