"""Processes are killed at random moments; no run is lost, and no bit of it."""

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.findings import Findings
from tests.chaos.runs import Server, Workshop, command, end_early, taken

FULL = pytest.mark.chaos


def disturbed(
    workshop: Workshop, server: Server, output: Path, number: int, chance: random.Random
) -> list[int]:
    """Start and signal a run until its model is there; the exit code of each start."""
    codes = []
    while not (output / "results.json").exists():
        resumable = (output / "run" / "run.json").exists()
        order = workshop.order(output)
        if resumable and chance.random() < 0.5:
            order["words"] = ["resume", str(output)]
        (pid,) = server.begin(order)
        end_early(pid, number, chance.uniform(0, workshop.seconds))
        (ended,) = server.end()
        assert ended.code in (0, -number, 128 + number), ended.text
        assert "Traceback" not in ended.text, ended.text
        codes.append(ended.code)
    return codes


def batches_of(output: Path) -> list[dict[str, object]]:
    """The batches a run has taken so far."""
    seen = Path(f"{output}.seen")
    return taken(seen) if seen.exists() else []


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=FULL)])
def test_killed_runs_end_as_if_undisturbed(
    kills: int, workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    chance, codes, runs = random.Random(kills), Counter[int](), 0
    while codes[-signal.SIGKILL] < kills:
        output = tmp_path / f"run-{runs}"
        ends = disturbed(workshop, server, output, signal.SIGKILL, chance)
        codes.update(ends)
        assert not workshop.problems(output)
        if ends[-1] == 0:  # a process killed after its last rename cannot tidy up
            assert not list(output.parent.glob(f".{output.name}.*"))
        workshop.clear(output)
        runs += 1
    findings.add(
        "SIGKILL at a random moment, again and again until the run is finished",
        codes[-signal.SIGKILL],
        f"{runs} runs, 0 lost; losses and final weights bit-equal in all; each example exactly "
        "once an epoch; 0 hangs",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("times", [2, pytest.param(50, marks=FULL)])
def test_a_polite_signal_loses_no_step(
    times: int,
    number: signal.Signals,
    workshop: Workshop,
    server: Server,
    findings: Findings,
    tmp_path: Path,
) -> None:
    chance, codes, runs = random.Random(times + number), Counter[int](), 0
    while codes[128 + number] + codes[-number] < times:
        output = tmp_path / f"run-{runs}"
        codes.update(disturbed(workshop, server, output, number, chance))
        assert not workshop.problems(output)
        batches = [(b["epoch"], b["place"]) for b in batches_of(output)]
        assert len(batches) == len(set(batches)), "a step was taken twice"
        workshop.clear(output)
        runs += 1
    inside = codes[128 + number]
    findings.add(
        f"{number.name} at a random moment",
        inside + codes[-number],
        f"{runs} runs, 0 lost, 0 steps lost; exit code {128 + number} "
        f"({inside} while Mason listened, the others in start-up and while measuring); bit-equal",
    )


@FULL
def test_full_starts_are_killed_too(workshop: Workshop, findings: Findings, tmp_path: Path) -> None:
    """The interpreter and all imports included: some kills land in them."""
    chance, killed, runs = random.Random(9), 0, 0
    begun = time.monotonic()
    assert command(workshop.words(tmp_path / "timed")).wait(300) == 0
    seconds = time.monotonic() - begun
    while killed < 10:
        output, runs = tmp_path / f"run-{runs}", runs + 1
        code = None
        while code is None:
            process = command(workshop.words(output))
            try:
                code = process.wait(chance.uniform(0, seconds) if killed < 10 else 300)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
        assert code == 0
        shutil.copyfile(f"{workshop.whole}.seen", f"{output}.seen")
        assert not workshop.problems(output)
    findings.add("SIGKILL, full starts", killed, f"{runs} runs, 0 lost; bit-equal")


def test_a_run_has_no_child_processes(
    workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    """So there is no data worker to die: order is a pure function, tokens are in memory."""
    (pid,) = server.begin(workshop.order(tmp_path / "run"))
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        server.end()
        pytest.skip("this kernel does not list child processes")
    found, looks = [], 0
    while True:
        try:
            tasks = Path(f"/proc/{pid}/task").iterdir()
            found += [t for t in tasks if (t / "children").read_text(encoding="utf-8").strip()]
        except (FileNotFoundError, ProcessLookupError):
            break
        looks += 1
    assert server.end()[0].code == 0
    assert looks and not found
    findings.add(
        "Looking for child processes during a run (there are no data workers to kill)",
        looks,
        "0 found",
    )
