"""Processes of a run that torchrun started, killed one at a time; torchrun starts them again."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.findings import Findings
from tests.chaos.runs import ROOT, environment
from tests.workflows.test_pretraining import corpus
from tests.workflows.test_together import Bench, bench, problems

__all__ = ["bench", "corpus"]


def _workers(agent: int) -> dict[int, int]:
    """Process ids of torchrun's children by their rank."""
    found = {}
    for task in Path(f"/proc/{agent}/task").iterdir():
        for pid in (task / "children").read_text(encoding="utf-8").split():
            try:
                told = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ranks = [int(word[5:]) for word in told if word.startswith(b"RANK=")]
            found |= {rank: int(pid) for rank in ranks}
    return found


def _torchrun(bench: Bench, output: Path, steps: int, restarts: int) -> "subprocess.Popen[bytes]":
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["--max-restarts", str(restarts), "--monitor-interval", "0.1"]
    options = {"training__max_steps": steps, "training__dropout": 0.1}
    return subprocess.Popen(
        [sys.executable, *words, *bench.words(output, **options)],
        env=environment() | bench.environment,
        stdout=(output.parent / f"{output.name}.txt").open("wb"),
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.chaos)])
def test_a_process_is_killed_again_and_again(
    times: int, bench: Bench, findings: Findings, tmp_path: Path
) -> None:
    """At random moments: start-up, steps, checkpoints, the last measuring; either process."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list child processes")
    chance, steps = random.Random(times), 20 + 15 * times
    assert _torchrun(bench, tmp_path / "whole", steps, 0).wait(300) == 0
    output, kills = tmp_path / "run", [0, 0]
    agent = _torchrun(bench, output, steps, times)
    log, before = output / "run" / "log.jsonl", set[int]()
    while sum(kills) < times and agent.poll() is None:
        workers = _workers(agent.pid)
        if len(workers) < 2 or before & set(workers.values()):
            time.sleep(0.05)
            continue
        if chance.random() < 0.75:  # else in start-up, which takes much longer than steps
            last = log.stat().st_mtime_ns if log.exists() else 0
            while agent.poll() is None and not (log.exists() and log.stat().st_mtime_ns > last):
                time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.6))
        rank = chance.randrange(2)
        try:
            subprocess.run(["kill", "-9", str(workers[rank])], check=True, capture_output=True)
        except subprocess.CalledProcessError:
            continue  # it has ended by itself
        kills[rank] += 1
        before = set(workers.values())
    code = agent.wait(600)
    said = (tmp_path / "run.txt").read_text(encoding="utf-8", errors="replace")
    assert code == 0, said
    assert sum(kills) == times, "the run was over before"
    assert not problems(output, tmp_path / "whole"), said
    findings.add(
        "SIGKILL of one of two processes at a random moment, restarted by torchrun (full starts, "
        f"gloo, {kills[0]} times the first, {kills[1]} times the second)",
        sum(kills),
        "1 run, 0 lost, 0 hangs; bit-equal to a run of two processes that nobody disturbed",
    )
