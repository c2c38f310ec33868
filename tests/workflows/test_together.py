"""``mason pretrain`` in two processes: killed, stopped, continued by another number of them."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import mason
from mason.text.trainers import train_tokenizer
from tests.chaos.runs import digest
from tests.training.together import start, wait
from tests.workflows.test_pretraining import corpus

__all__ = ["corpus"]
STEPS = 16
OPTIONS: dict[str, Any] = {
    "model.shape": "bert-tiny",
    "model.max_tokens": 32,
    "training.max_steps": STEPS,
    "training.tokens_per_batch": 192,
    "training.dropout": 0.0,
    "training.precision": "fp32",
    "data.valid_share": 0.1,
    "output.checkpoint_steps": 3,
    "output.report": False,
}


class Bench:
    """A corpus, a tokenizer, and the command that learns from them."""

    def __init__(self, folder: Path, corpus: Path) -> None:
        self.folder, self.corpus = folder, corpus
        self.environment = {"MASON_CACHE": str(folder / "cache")}
        texts = corpus.read_text(encoding="utf-8").split("\n\n")
        tokenizer = train_tokenizer(texts, kind="wordpiece", vocab_size=500, max_tokens=64)
        (folder / "tokenizer").mkdir()
        tokenizer.save(folder / "tokenizer")
        self.options = OPTIONS | {"model.tokenizer": str(folder / "tokenizer")}

    def words(self, output: Path, **more: object) -> list[str]:
        """``mason pretrain``, in two processes' words."""
        options = {"data": self.corpus, "output": output, "objective": "bert"}
        options |= self.options | {k.replace("__", "."): v for k, v in more.items()}
        pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
        return ["-m", "mason", "pretrain", *(word for pair in pairs for word in pair)]

    def start(self, words: Sequence[str], size: int = 2) -> list["subprocess.Popen[str]"]:
        """A command in several processes."""
        return start(words, size, self.environment)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), corpus)


def _lines(log: Path) -> list[dict[str, Any]]:
    found = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        found.append({k: v for k, v in json.loads(line).items() if k != "seconds"})
    return found


def _wait_for_step(output: Path, step: int, processes: Sequence["subprocess.Popen[str]"]) -> None:
    while not any(line["step"] >= step for line in _lines(output / "run" / "log.jsonl")):
        assert all(p.poll() is None for p in processes), wait(processes)
        time.sleep(0.01)


def _end(processes: Sequence["subprocess.Popen[str]"], code: int) -> str:
    said = wait(processes)
    assert [p.returncode for p in processes] == [code] * len(processes), "\n".join(said)
    return "".join(said)


def problems(output: Path, whole: Path) -> list[str]:
    """How a finished run differs, bit for bit, from one that nobody disturbed."""
    found = []
    if _lines(output / "log.jsonl") != _lines(whole / "log.jsonl"):
        found.append("another log")
    if digest(output / "model.safetensors") != digest(whole / "model.safetensors"):
        found.append("other weights")
    return found


@pytest.mark.slow
@pytest.mark.chaos  # its short form in `make test` is that of tests/chaos/test_processes.py
def test_killed_and_started_again_equals_not_killed(bench: Bench, tmp_path: Path) -> None:
    chance, step = random.Random(time.time()), 0
    words = {name: bench.words(tmp_path / name, training__dropout=0.1) for name in ("whole", "cut")}
    _end(bench.start(words["whole"]), 0)
    processes = bench.start(words["cut"])
    step = chance.randint(1, STEPS - 5)
    _wait_for_step(tmp_path / "cut", step, processes)
    processes[1].kill()
    said = wait(processes)
    assert [p.returncode for p in processes] == [2, -signal.SIGKILL], said
    assert said[0].splitlines()[-1].startswith("Error: Another process of this run has ended")
    assert "Going on with the unfinished run" in _end(bench.start(words["cut"]), 0) or step < 3
    assert not problems(tmp_path / "cut", tmp_path / "whole"), f"killed after step {step}"


@pytest.mark.slow
def test_two_one_and_two_processes_equal_one(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASON_CACHE", bench.environment["MASON_CACHE"])
    run = mason.pretrain(
        str(bench.corpus), output=tmp_path / "one", objective="bert", **bench.options
    )
    output = tmp_path / "changing"
    go_on = ["-m", "mason", "resume", str(output)]
    for words, size, step in ((bench.words(output), 2, 2), (go_on, 1, 7)):
        processes = bench.start(words, size)
        _wait_for_step(output, step, processes)
        processes[-1].send_signal(signal.SIGTERM)  # to the last one alone
        said = _end(processes, 128 + signal.SIGTERM)
        assert said.count("Stopped by signal 15 after step") == 1
        last = _lines(output / "run" / "log.jsonl")[-1]["step"]
        kept = sorted((output / "run" / "checkpoints").glob("step-*"))[-1]
        assert kept.name == f"step-{last:08d}" and step <= last < STEPS
    said = _end(bench.start(go_on), 0)
    assert "The run went on with 1 processes before and has 2 now" in said
    ones, changing = _lines(run.folder / "log.jsonl"), _lines(output / "log.jsonl")
    for name in ("step", "epoch", "tokens"):
        assert [line.get(name) for line in ones] == [line.get(name) for line in changing]
    losses = [
        [v for line in log for k, v in line.items() if "loss" in k] for log in (ones, changing)
    ]
    assert len(losses[0]) >= STEPS and losses[0] == pytest.approx(losses[1], rel=1e-6)
    told = json.loads((output / "results.json").read_text(encoding="utf-8"))
    assert told["pretraining"]["held_loss"] == pytest.approx(
        run.results["pretraining"]["held_loss"], rel=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["of the first", "of all", "train"])
def test_a_mistake_ends_both_with_one_sentence(mistake: str, bench: Bench, tmp_path: Path) -> None:
    words = bench.words(tmp_path / "out", training__optimizer="adafactor")
    wanted = "cannot share the optimizer adafactor"
    if mistake == "of the first":
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
        wanted = "holds files that Mason did not write"
    if mistake == "train":
        words = ["-m", "mason", "train", "--model", "m", "--data", str(bench.corpus)]
        wanted = "Only mason pretrain learns in several processes"
    said = _end(bench.start(words), 2)
    assert said.count("Error: ") == 1 and wanted in said and "Traceback" not in said
