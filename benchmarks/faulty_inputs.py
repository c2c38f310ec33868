"""Faulty inputs through the command line, and the sentence each of them gets.

Every case must end with exit code 2 and one sentence on standard error, and never with a
traceback.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Goal, Row, Table, publish
from mason.cli.main import run
from tests.data.faulty_files import FAULTY

COMMANDS = (
    ["tarin"],
    ["train", "--model", "m", "--data", "d", "--modle", "x"],
    ["train", "--model", "m", "--data", "d", "--training.lerning-rate", "1"],
    ["train", "--model", "m", "--data", "d", "--training.epochs", "many"],
    ["train", "--model", "m", "--data", "d", "--training.epochs", "-1"],
    ["train", "--model", "m", "--data", "d", "--training.epochs"],
    ["train", "--model", "m", "--data", "d", "--config", "no.yaml"],
    ["train", "--model", "m", "--data", "d", "stray"],
    ["train", "--model", "m"],
    ["train", "--data", "d"],
    ["predict", "no/such/model", "--text", "a"],
    ["evaluate", "no/such/model", "--data", "no.csv"],
    ["show", "--lang", "fr"],
    ["data", "check", "no/such/file.csv"],
    ["data", "check", "catalog:terc"],
)
CONFIGS = {
    "no model_type": {"hidden_size": 8},
    "unknown family": {"model_type": "bret"},
    "code of strangers": {"model_type": "bert", "auto_map": {"AutoModel": "a--b.C"}},
    "unmapped key": {"model_type": "bert", "attention_twist": 2},
    "key that changes the sums": {"model_type": "bert", "position_embedding_type": "relative_key"},
    "activation not known": {"model_type": "bert", "hidden_act": "swoosh"},
    "rotary scaling not known": {
        "model_type": "llama",
        "rope_scaling": {"rope_type": "spiral", "factor": 2},
    },
}


class Case:
    """What was typed or given, and what came back."""

    def __init__(self, name: str, words: list[str], folder: Path) -> None:
        heard, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(said):
            self.code = run(words)
        self.name = name
        self.sentence = heard.getvalue().strip().replace(f"{folder}/", "")

    @property
    def fine(self) -> bool:
        """Exit code 2 and one line that is no traceback."""
        one = self.sentence.count("\n") == 0 and self.sentence.startswith("Error: ")
        return self.code == 2 and one and "Traceback" not in self.sentence


def cases(folder: Path) -> Iterator[Case]:
    """Every faulty input."""
    for words in COMMANDS:
        yield Case("mason " + " ".join(words), list(words), folder)
    for name, config in CONFIGS.items():
        model = folder / name
        model.mkdir()
        (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (model / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
        yield Case(f"config.json: {name}", ["show", str(model)], folder)
    pickled = folder / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    yield Case("pytorch_model.bin alone", ["show", str(pickled)], folder)
    for faulty in FAULTY:
        file = folder / faulty.name
        file.mkdir() if faulty.data is None else file.write_bytes(faulty.data)
        yield Case(f"file {faulty.name}", _training(file), folder)


def _training(file: Path) -> list[str]:
    return ["train", "--model", "all-MiniLM-L6-v2", "--data", str(file)]


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    with tempfile.TemporaryDirectory() as name:
        found = list(cases(Path(name)))
    rows = [
        Row("faulty inputs", len(found), None, Goal("≥", 40)),
        Row(
            "without one sentence and exit code 2",
            sum(not c.fine for c in found),
            None,
            Goal("≤", 0),
        ),
    ]
    table = Table(
        "What each faulty input gets",
        ("input", "exit code", "sentence"),
        [[c.name, str(c.code), c.sentence] for c in found],
    )
    publish(
        "faulty_inputs",
        rows,
        tables=[Table.of("faulty_inputs", rows), table],
        save=parser.parse_args().save,
    )


if __name__ == "__main__":
    main()
