"""A run that was stopped or killed goes on; what changed is shown, or refused."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mason
from mason.errors import RunStopped, SettingsError
from mason.training.history import History
from mason.workflows import verify_run
from tests.contracts.tiny import write_model
from tests.workflows.conftest import write_reviews

STEPS = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "reviews.csv")


def _train(model: Path, data: Path, output: Path, **options: object) -> mason.Run:
    fixed = {"training.max_steps": STEPS, "training.epochs": 9, "output.checkpoint_steps": 2}
    return mason.train(model, data, output=output, **(fixed | options))


def _stop_at(step: int) -> object:
    def watch(history: History) -> None:
        if history.step == step and history.stopped == "finished":
            os.kill(os.getpid(), signal.SIGINT)

    return watch


def _stopped(model: Path, data: Path, output: Path, **options: object) -> Path:
    with pytest.raises(RunStopped, match="mason resume") as caught:
        _train(model, data, output, watch=_stop_at(5), **options)
    assert caught.value.exit_code == 130
    return output


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def _losses(folder: Path) -> list[float]:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "step"]


@pytest.mark.parametrize("more", [{}, {"training.word_swaps": 0.9}])
def test_stopped_and_resumed_equals_not_stopped(
    model: Path, data: Path, tmp_path: Path, more: dict[str, object]
) -> None:
    whole = _train(model, data, tmp_path / "whole", **more)
    folder = _stopped(model, data, tmp_path / "cut", **more)
    assert [c.step for c in verify_run(folder) if c.problem is None][-1] == 5
    run = mason.resume(folder)
    assert whole.folder is not None and _digest(folder) == _digest(whole.folder)
    assert _losses(folder) == _losses(whole.folder) and len(_losses(folder)) == STEPS
    assert run.results["evaluation"] == whole.results["evaluation"]
    assert not (folder / "run").exists() and run.report is not None


def test_the_same_command_goes_on_too(model: Path, data: Path, tmp_path: Path) -> None:
    folder, told = _stopped(model, data, tmp_path / "cut"), []
    seen: list[int] = []
    _train(
        model,
        data,
        folder,
        notice=told.append,
        watch=lambda history: seen.append(history.step),
    )
    assert seen[0] == 6 and any("Going on" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("change", "resuming", "wanted"),
    [
        ({"training.seed": 2}, True, "training.seed: 1 → 2"),
        ({"training.batch_size": 4}, True, "training.batch_size: - → 4"),
        ({"training.seed": 2}, False, "training.seed: 1 → 2"),
        ({"training.learning_rate": 1e-5}, False, "mason resume"),
    ],
)
def test_what_must_not_change_is_refused(
    change: dict[str, object],
    resuming: bool,
    wanted: str,
    model: Path,
    data: Path,
    tmp_path: Path,
) -> None:
    folder = _stopped(model, data, tmp_path / "cut")
    with pytest.raises(SettingsError, match=wanted):
        mason.resume(folder, **change) if resuming else _train(model, data, folder, **change)
    mason.resume(folder)  # nothing was lost


def test_what_may_change_is_told(model: Path, data: Path, tmp_path: Path) -> None:
    folder, told = _stopped(model, data, tmp_path / "cut"), []
    run = mason.resume(folder, notice=told.append, **{"training.learning_rate": "1e-5"})
    assert any("learning_rate: - → 1e-05" in sentence for sentence in told)
    assert run.results["training"]["steps"][-1]["learning_rate"] < 1e-5


@pytest.mark.parametrize("how", ["append", "edit", "reorder"])
def test_other_data_are_refused(how: str, model: Path, data: Path, tmp_path: Path) -> None:
    folder = _stopped(model, data, tmp_path / "cut")
    head, *rows = data.read_text(encoding="utf-8").splitlines()
    changed = {
        "append": [*rows, "The bag: fine.,good"],
        "edit": [rows[0].replace("great", "poor"), *rows[1:]],
        "reorder": [*rows[1:], rows[0]],
    }[how]
    data.write_text("\n".join([head, *changed]) + "\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="data are not those"):
        mason.resume(folder)


def test_finish_writes_the_best_so_far(model: Path, data: Path, tmp_path: Path) -> None:
    folder = _stopped(model, data, tmp_path / "cut")
    run = mason.resume(folder, finish=True)
    assert len(run.results["training"]["steps"]) == 5
    assert mason.load(folder).labels == ("bad", "good")


def test_there_must_be_something_to_go_on_with(model: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no unfinished run"):
        mason.resume(tmp_path)
    done = _train(model, data, tmp_path / "done")
    assert done.folder is not None
    with pytest.raises(SettingsError, match="is finished"):
        mason.resume(done.folder)


def test_a_finished_model_stays_until_the_next_one_is_there(
    model: Path, data: Path, tmp_path: Path
) -> None:
    first = _train(model, data, tmp_path / "out")
    assert first.folder is not None
    before = _digest(first.folder)
    _stopped(model, data, tmp_path / "out", **{"training.seed": 2})
    assert _digest(first.folder) == before and mason.load(first.folder)
    mason.resume(tmp_path / "out")
    assert _digest(first.folder) != before


def test_a_killed_process_goes_on_from_the_command_line(
    model: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "mason", "train", "--model", str(model), "--data", str(data)]
    command += [
        "--output",
        str(folder),
        "--training.epochs",
        "400",
        "--output.checkpoint-steps",
        "3",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = folder / "run" / "log.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and log.read_text(encoding="utf-8").count("\n") > 10):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    checked = verify_run(folder)
    assert checked and all(c.problem is None for c in checked)
    told: list[str] = []
    with pytest.raises(RunStopped):
        mason.resume(
            folder,
            notice=told.append,
            watch=lambda h: (
                os.kill(os.getpid(), signal.SIGTERM) if h.stopped == "finished" else None
            ),
        )
    assert verify_run(folder)[-1].step == (checked[-1].step or 0) + 1
