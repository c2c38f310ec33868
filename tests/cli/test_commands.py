"""The commands as a person types them: what they print, and how mistakes end."""

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mason.cli.main import run as mason
from mason.errors import CheckpointError
from mason.workflows import Run
from tests.workflows.conftest import run as run
from tests.workflows.conftest import write_reviews

Capture = pytest.CaptureFixture[str]


def test_predict_a_text_a_file_and_standard_input(
    run: Run, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(run.folder)
    assert mason(["predict", folder, "--text", "The pen: never again."]) == 0
    label, probability, text = capsys.readouterr().out.rstrip("\n").split("\t")
    assert (label, text) == ("bad", "The pen: never again.") and 0.5 <= float(probability) <= 1
    reviews, made = write_reviews(tmp_path / "r.csv"), tmp_path / "made.csv"
    assert mason(["predict", folder, "--data", str(reviews), "--output", str(made)]) == 0
    assert made.read_text(encoding="utf-8").count("\n") == 71
    monkeypatch.setattr("sys.stdin", io.StringIO("works well\nwaste of money\n"))
    assert mason(["predict", folder, "--json-lines"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["text"] for t in told] == ["works well", "waste of money"]
    assert all(set(t["probabilities"]) == {"bad", "good"} for t in told)


def test_show_knows_published_shapes(capsys: Capture) -> None:
    """GPT-3: 175 billion parameters, table 2.1 of Brown et al. 2020."""
    assert mason(["show", "gpt3-175b"]) == 0
    out = capsys.readouterr().out
    assert "174,600,720,384 parameters" in out and "6e-05" in out and "3,200,000" in out


def test_show_counts_every_parameter(capsys: Capture) -> None:
    assert mason(["show", "all-MiniLM-L6-v2"]) == 0
    out = capsys.readouterr().out
    assert "22,713,216" in out and "query 384 + key 384 + value 384" in out


def test_plan_says_what_a_run_needs_and_fails_where_it_cannot_fit(capsys: Capture) -> None:
    words = ["--training.batch-size", "2", "--model.max-tokens", "16"]
    assert mason(["plan", "--model", "all-MiniLM-L6-v2", *words]) == 0
    told = capsys.readouterr().out
    assert "22.7 million parameters, 1 steps." in told and "It fits." in told
    words[1] = "1"
    assert mason(["plan", "--model", "gpt3-125m", *words]) in (0, 2)
    assert "optimiser state" in capsys.readouterr().out


def test_data_check_says_where_and_fails_on_errors(tmp_path: Path, capsys: Capture) -> None:
    good = write_reviews(tmp_path / "good.csv")
    assert mason(["data", "check", str(good)]) == 0
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\n" + "same,yes\n" * 30, encoding="utf-8")
    assert mason(["data", "check", str(bad), "--json-lines"]) == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    assert any(f["severity"] == "error" for f in found)


MISTAKES = [
    (["train", "--model", "m", "--data", "d", "--modle", "x"], "model"),
    (["train", "--model", "m", "--data", "d", "--training.lerning-rate", "1"], "learning_rate"),
    (["train", "--model", "m", "--data", "d", "--training.epochs", "many"], "epochs"),
    (["train", "--model", "m", "--data", "d", "--training.epochs"], "needs a value"),
    (["train", "stray"], "stray"),
    (["train", "--data", "d"], "--model"),
    (["predict", "/no/such/model", "--text", "a"], "/no/such/model"),
    (["evaluate"], "model"),
    (["tarin"], "train"),
    (["plan", "--data", "d"], "--model"),
    (["plan", "--model", "gpt3-3b"], "gpt3-2.7b"),
    (["--lang", "fr", "show", "m"], "fr"),
    (["pretrain", "--data", "d", "--output", "o", "--recipe", "old"], "modern, published"),
    (["tokenizer", "train", "--data", "d", "--output", "o", "--kind", "x"], "wordpiece, bpe"),
    (["data", "check", "/no/such/file.csv"], "/no/such/file.csv"),
]


@pytest.mark.parametrize(("words", "named"), MISTAKES, ids=lambda x: " ".join(x)[:30])
def test_a_mistake_is_one_sentence_and_exit_code_2(
    words: list[str], named: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mason.language._chosen", None)
    assert mason(words) == 2
    error = capsys.readouterr().err
    assert named in error and error.startswith("Error: ") and "Traceback" not in error
    assert error.strip().count("\n") == 0


def _read(interrupted: bool, error: type[Exception]) -> Callable[..., int]:
    """A command that reads in C code, which makes another error of Ctrl-C."""

    def command(*_: object, **__: object) -> int:
        with suppress(KeyboardInterrupt):
            if interrupted:
                signal.raise_signal(signal.SIGINT)
        raise error("the shape cannot be told")

    return command


@pytest.fixture
def _listening() -> Iterator[None]:
    """Ctrl-C as a terminal has it: tests in the background start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
@pytest.mark.parametrize("error", [ValueError, CheckpointError])
def test_ctrl_c_is_ctrl_c_whatever_c_code_makes_of_it(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["mason.cli.main"], "build_app", lambda: _read(True, error))
    assert mason([]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(sys.modules["mason.cli.main"], "build_app", lambda: _read(True, ValueError))
    with pytest.raises(ValueError, match="shape"):
        mason([])
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, before)


def test_a_fault_of_ours_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["mason.cli.main"], "build_app", lambda: _read(False, ValueError)
    )
    with pytest.raises(ValueError, match="shape"):
        mason([])
    monkeypatch.setattr(
        sys.modules["mason.cli.main"], "build_app", lambda: _read(False, CheckpointError)
    )
    assert mason([]) == 2
