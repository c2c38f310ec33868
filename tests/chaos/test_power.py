"""The power fails after every call of a run: what was not flushed is gone, or half of it is."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from mason.errors import CheckpointError
from mason.models.files import verify_manifest
from mason.training.checkpoints import verify
from mason.training.run_folder import begun, checkpoints_of
from tests.chaos.disk import Disk
from tests.chaos.findings import Findings
from tests.chaos.recording import Call, read_calls
from tests.chaos.runs import RECORD, Server, Workshop

pytestmark = pytest.mark.usefixtures("faults")


@pytest.fixture(scope="module")
def recorded(
    workshop: Workshop, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Call]]:
    """Where a run of six steps was, and every call it made."""
    folder = tmp_path_factory.mktemp("power")
    log, output = folder / "calls", folder / "disk" / "out"
    output.parent.mkdir()
    faults: dict[str, Any] = {"folder": str(output.parent), "mode": RECORD, "log": str(log)}
    order = workshop.order(output, "--training.epochs", 1)
    order |= {"faults": faults, "seen": str(folder / "seen")}
    (ended,) = server.carry_out(order)
    assert ended.code == 0, ended.text
    return output.parent, read_calls(log)


@pytest.mark.parametrize(
    ("stride", "num_random"), [(7, 1), pytest.param(1, 12, marks=pytest.mark.chaos)]
)
def test_a_power_cut_after_any_call_leaves_what_was_promised(
    stride: int,
    num_random: int,
    recorded: tuple[Path, list[Call]],
    findings: Findings,
    tmp_path: Path,
) -> None:
    folder, calls = recorded
    disk, chance, promised, seen = Disk(folder), random.Random(0), 0, set[int]()
    finished = False
    for number, call in enumerate(calls, 1):
        disk.follow(call)
        promised = max(promised, _kept(calls[:number]))
        finished = finished or _is_finished(calls[:number], folder / "out")
        if number % stride and number != len(calls):
            continue
        for name, state in disk.states(chance, num_random):
            if state.key() in seen:
                continue
            seen.add(state.key())
            place = tmp_path / "after"
            place.mkdir()
            state.write(place)
            said = f"call {number} of {len(calls)} ({call.what} {call.path}), {name}"
            _check(place / "out", promised, finished, said)
            shutil.rmtree(place)
    findings.add(
        f"power cut after each of {len(calls)} calls of a run with 3 saves and the final write: "
        "un-flushed bytes and names dropped, kept, or half of them at random",
        len(seen),
        "valid checkpoint no older than the last save that had returned, or the finished model, "
        "in 100 %",
    )


def _kept(calls: list[Call]) -> int:
    """The step of the last checkpoint whose saving had ended: what a user may count on.

    That is when the folder it was renamed in has been flushed, the last thing a save does.
    """
    call = calls[-1]
    if call.what != "sync" or Path(call.path).name != "checkpoints":
        return 0
    renamed = [Path(c.other).name for c in calls if c.what == "rename"]
    steps = [int(name[5:]) for name in renamed if name.startswith("step-")]
    return max(steps, default=0)


def _is_finished(calls: list[Call], output: Path) -> bool:
    """Whether the model had taken its place for good."""
    call = calls[-1]
    exchanged = any(c.what == "exchange" and c.other == str(output) for c in calls)
    return exchanged and call.what == "sync" and call.path == str(output.parent)


def _check(output: Path, promised: int, finished: bool, said: str) -> None:
    """Whether a start would find what a run had promised before the power was cut."""
    if (output / "results.json").exists():
        verify_manifest(output)
        return
    assert not finished, said
    folder = checkpoints_of(output)
    places = sorted(folder.glob("step-*")) if folder.is_dir() else []
    whole = [facts for place in places if (facts := _facts(place))]
    newest = whole[-1] if whole else {"step": 0}
    assert bool(whole) == bool(places), f"{said}: only damaged checkpoints"
    assert newest["step"] >= promised, f"{said}: {newest['step']} of {promised}"
    if whole:
        assert begun(output) is not None, f"{said}: no run.json"
        log = output / "run" / "log.jsonl"
        size = log.stat().st_size if log.exists() else 0
        assert size >= newest["log"]["bytes"], f"{said}: {size} bytes of the log"


def _facts(place: Path) -> dict[str, Any] | None:
    try:
        return verify(place)
    except CheckpointError:
        return None
