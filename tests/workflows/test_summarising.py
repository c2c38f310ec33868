"""Summaries, the whole road, from random weights; and a text-to-text run that is killed goes on."""

import ast
import csv
import hashlib
import io
import json
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import mason
from mason.text.trainers import train_tokenizer
from mason.workflows import Run

MODULES = ("argparse", "textwrap", "random", "statistics", "shutil", "subprocess", "tarfile")
STEPS = 12
OPTIONS = {
    "model.shape": "marian-tiny",
    "model.max_tokens": 96,
    "training.threads": 1,
    "training.max_steps": STEPS,
    "training.tokens_per_batch": 512,
    "output.checkpoint_steps": 2,
}
KILLED = """
import json, os, signal, sys
import mason

def watch(history):
    if history.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)

data, output, options = sys.argv[1:]
mason.train(data=data, output=output, task="summarisation", watch=watch, **json.loads(options))
"""


def docstrings() -> list[tuple[str, str]]:
    """What the standard library says of its functions: the text, and its first line."""
    found = {}
    for name in MODULES:
        file = Path(sysconfig.get_path("stdlib")) / f"{name}.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
                if len(rest.split()) >= 10 and "\n" not in first:
                    found[rest] = first
    return list(found.items())


def write(file: Path, rows: list[tuple[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "summary"), *rows])
    return file


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("docstrings") / "docstrings.csv", docstrings())


@pytest.fixture(scope="module")
def options(data: Path) -> dict[str, object]:
    """With a tokenizer: two runs that learn one each get other pieces, for all their seeds."""
    folder = data.parent / "tokenizer"
    folder.mkdir()
    texts = [text for pair in docstrings() for text in pair]
    train_tokenizer(texts, kind="unigram", vocab_size=700).save(folder)
    return {**OPTIONS, "model.tokenizer": str(folder)}


@pytest.fixture(scope="module")
def run(data: Path, options: dict[str, object]) -> Run:
    return mason.train(data=data, output=data.parent / "whole", task="summarisation", **options)


def test_the_report_holds_rouge_beside_the_first_sentence(run: Run) -> None:
    told = run.results["evaluation"]
    assert set(told["scores"]) == {"rouge1", "rouge2", "rougeL"}
    (rival,) = told["baselines"]
    assert rival["name"] == "the first sentence" and 0 < rival["scores"]["rougeL"]["value"] < 1
    assert told["errors"] and run.report is not None
    assert "ROUGE-L" in run.report.read_text(encoding="utf-8")


def test_the_saved_model_is_evaluated_and_summarises_on_the_command_line(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mason.cli.main import run as command

    folder, texts = str(run.folder), [text for text, _ in docstrings()[:3]]
    data = write(tmp_path / "some.csv", docstrings()[:3])
    assert command(["evaluate", folder, "--data", str(data), "--output", str(tmp_path / "e")]) == 0
    again = json.loads((tmp_path / "e" / "results.json").read_text(encoding="utf-8"))
    assert again["evaluation"]["rows"] == 3
    capsys.readouterr()
    assert command(["summarise", folder, "--input", str(data), "--json-lines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["written"] for line in lines] == run.model.predict(texts)
    monkeypatch.setattr(sys, "stdin", io.StringIO("A text of one line.\n"))
    assert command(["summarise", folder]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_killed_run_goes_on_bit_for_bit(
    run: Run, data: Path, options: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "cut"
    command = [sys.executable, "-c", KILLED, str(data), str(folder), json.dumps(options)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (folder / "model.safetensors").exists()
    again = mason.resume(folder)
    assert run.folder is not None
    weights = [(f / "model.safetensors").read_bytes() for f in (folder, run.folder)]
    digests = [hashlib.sha256(found).hexdigest() for found in weights]
    assert digests[0] == digests[1]
    assert again.results["evaluation"] == run.results["evaluation"]
