"""Who may work in a folder: one process at a time, and nobody where nothing can be written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.findings import Findings
from tests.chaos.runs import Server, Workshop, command

FULL = pytest.mark.chaos


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=FULL)])
def test_of_two_starts_in_one_folder_exactly_one_runs(
    times: int, workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    for number in range(times):
        output, gate = tmp_path / f"run-{number}", tmp_path / f"gate-{number}"
        order: dict[str, Any] = {"words": workshop.words(output), "hold": str(gate)}
        # Whoever gets to its first step waits there for the other, and is killed.
        server.begin(order | {"kill_after": 0}, order | {"kill_after": 0})
        patience = time.monotonic() + 60
        while time.monotonic() < patience:
            if any("Error" in out.read_text(encoding="utf-8") for out in server.outs):
                break
            time.sleep(0.01)
        gate.touch()
        first, second = server.end()
        codes = sorted([first.code, second.code])
        assert codes == [-signal.SIGKILL, 2], (first.text, second.text)
        loser = first if first.code == 2 else second
        assert loser.is_sentence and "is at work in" in loser.text, loser.text
        workshop.clear(output)
    findings.add("two starts in one folder at once", times, "exactly one ran, in 100 %")


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=FULL)])
def test_the_lock_of_a_killed_process_is_taken_over(
    times: int, workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    for _ in range(times):
        (ended,) = server.carry_out({"words": workshop.words(output), "kill_after": 1})
        assert ended.code == -signal.SIGKILL, ended.text
        assert (output / "run" / "lock").exists()
    (ended,) = server.carry_out(workshop.order(output))
    assert ended.code == 0, ended.text
    assert not workshop.problems(output)
    findings.add("start after kill -9 in the same folder", times + 1, "the lock was taken over")


def test_a_folder_that_cannot_be_written_is_refused_at_once(
    workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    """Before the model is looked for: the one named here does not exist."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a read-only folder, and chmod stops root not")
    place = tmp_path / "read-only"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let a read-only folder be mounted")
    try:
        for output in (place, place / "new"):
            words = workshop.words(output)
            words[words.index("--model") + 1] = "/no/such/model"
            (ended,) = server.carry_out({"words": words})
            assert ended.is_sentence and "cannot be written" in ended.text, ended.text
    finally:
        subprocess.run(["umount", str(place)], check=True)
    findings.add(
        "read-only output folder", 2, "refused before the model is looked for; exit code 2"
    )


def test_a_run_that_nobody_hears_goes_on(
    workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    (ended,) = server.carry_out(workshop.order(tmp_path / "run") | {"unheard": True})
    assert ended.code == 0
    assert not workshop.problems(tmp_path / "run")
    findings.add("standard output and error are broken pipes", 1, "finished, bit-equal")


@FULL
@pytest.mark.parametrize("ending", [">&- 2>&-", "> /dev/full 2> /dev/full"])
def test_full_starts_without_a_terminal(
    ending: str, workshop: Workshop, findings: Findings, tmp_path: Path
) -> None:
    """Closed and full output, from the interpreter's start to its end."""
    output, text = tmp_path / "run", f'"$@" {ending}'
    process = command(workshop.words(output), shell=text)
    assert process.wait(600) == 0
    assert (output / "results.json").exists()
    process = command(["train", "--model", "x"], shell=text)
    assert process.wait(600) == 2
    findings.add(f"full start with `{ending}`", 2, "finished with exit code 0; a mistake with 2")


@FULL
def test_a_stopped_run_that_nobody_hears_keeps_its_exit_code(
    workshop: Workshop, findings: Findings, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    process = command(workshop.words(output, "--training.epochs", 5000), shell='"$@" >&- 2>&-')
    while not list(output.glob("run/checkpoints/step-*")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    findings.add("SIGTERM, full start with output closed", 1, "kept; exit code 143")
