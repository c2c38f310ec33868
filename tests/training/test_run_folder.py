"""One run a folder; a run that never began leaves nothing behind."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from mason.errors import CheckpointError, DataError, RunError
from mason.training.run_folder import Begun, RunFolder

BEGUN = Begun({"task": "classification"}, "mason train", "d" * 64, "m" * 64)


def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        RunFolder(folder) as first,
        pytest.raises(RunError, match=f"process {os.getpid()}") as caught,
        RunFolder(folder),
    ):
        pass
    assert str(folder) in str(caught.value)
    del first
    with RunFolder(folder):
        pass


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with RunFolder(folder) as place:
        place.begin(BEGUN)
        ready.set()
        signal.pause()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "out", ready))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(RunError, match=f"process {holder.pid}"), RunFolder(tmp_path / "out"):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with RunFolder(tmp_path / "out") as place:
        assert place.begun() == BEGUN


def _start(folder: Path, results: "multiprocessing.Queue[str]", gate: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    try:
        with RunFolder(folder):
            results.put("ran")
            gate.wait()  # type: ignore[attr-defined]
    except RunError:
        results.put("refused")
        gate.wait()  # type: ignore[attr-defined]


def test_of_two_starts_at_once_exactly_one_runs(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for i in range(10):
        results, gate = context.Queue(), context.Barrier(2)
        starts = [
            context.Process(target=_start, args=(tmp_path / f"{i}", results, gate))
            for _ in range(2)
        ]
        for start in starts:
            start.start()
        assert sorted(results.get(timeout=20) for _ in starts) == ["ran", "refused"]
        for start in starts:
            start.join()


def test_a_run_that_fails_before_it_begins_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError), RunFolder(tmp_path / "a" / "out"):
        raise DataError("no rows")
    assert not (tmp_path / "a" / "out").exists()


def test_a_run_that_has_begun_stays(tmp_path: Path) -> None:
    with pytest.raises(DataError), RunFolder(tmp_path / "out") as place:
        place.begin(BEGUN)
        raise DataError("later")
    with RunFolder(tmp_path / "out") as place:
        assert place.begun() == BEGUN


def test_files_of_others_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(CheckpointError, match="did not write"), RunFolder(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_place_that_takes_no_files_is_refused_at_once() -> None:
    with pytest.raises((RunError, CheckpointError), match="cannot be written"):
        RunFolder(Path("/proc/mason/out")).__enter__()


def test_a_damaged_run_json_is_told(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out") as place:
        place.begin(BEGUN)
        file = place.inner / "run.json"
        file.write_text('{"format": "mason-run-0"}', encoding="utf-8")
        with pytest.raises(RunError, match="another version"):
            place.begun()
