"""What the chaos suite found, each as small as it can be."""

import json
from pathlib import Path
from typing import Any

import pytest

from mason.errors import CheckpointError
from mason.models.files import claim_folder, read_manifest, verify_manifest
from mason.training import checkpoints
from mason.training.checkpoints import Checkpoints
from mason.training.history import History, Step
from mason.training.log import Log
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.training.small import build, objective

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=3e-3, precision="fp32")
"""Four steps, an evaluation after the second and the fourth."""


class _KilledError(BaseException):
    pass


def _train(folder: Path, die_at: int | None = None, **more: Any) -> History:
    folder.mkdir(exist_ok=True)
    kept = Checkpoints(folder / "checkpoints", Log(folder / "log.jsonl"), every_steps=1)

    def watch(history: History) -> None:
        kept.log(history)
        if history.step == die_at:
            raise _KilledError

    return fit(build("encoder"), objective(16), RECIPE, watch=watch, keeper=kept, **more)


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "log.jsonl").read_text(encoding="utf-8")
    return [{**json.loads(line), "seconds": 0} for line in text.splitlines()]


def test_the_log_keeps_the_evaluation_that_made_a_checkpoint(tmp_path: Path) -> None:
    more = {"evaluate": lambda model: {"valid_loss": 1.0}}
    _train(tmp_path / "whole", **more)
    with pytest.raises(_KilledError):
        _train(tmp_path / "cut", 3, **more)
    _train(tmp_path / "cut", **more)
    assert [line["kind"] for line in _lines(tmp_path / "cut")].count("evaluation") == 2
    assert _lines(tmp_path / "cut") == _lines(tmp_path / "whole")


def test_lines_a_full_disk_refused_are_in_the_checkpoint(tmp_path: Path) -> None:
    history = History(3)
    for number in (1, 2, 3):
        history.steps.append(_step(number))
    log = Log(tmp_path / "full" / "log.jsonl")  # no such folder: nothing can be written
    log(history)
    mark = json.loads(json.dumps(log.settle(history.steps[-1])))
    again = History(3)
    Log(tmp_path / "log.jsonl").rewind(again, mark)
    assert again.steps == history.steps and not again.notices


def _step(number: int) -> Step:
    return Step(number, number / 3, 0.5, 1e-3, 1.0, 40, 0.1)


def test_a_save_that_failed_is_tried_again_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = checkpoints.write_weights, []

    def full(folder: Path, tensors: Any) -> None:
        calls.append(folder)
        if "step-00000004" in str(folder) and len(calls) < 9:
            raise OSError(28, "No space left on device")
        real(folder, tensors)

    monkeypatch.setattr(checkpoints, "write_weights", full)
    history = _train(tmp_path / "run")
    assert any("at step 4" in notice for notice in history.notices)
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())[-1] == (
        "step-00000004"
    )


def test_a_claim_that_was_killed_half_way_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / ".claim-0").mkdir(parents=True)
    (folder / ".claim-0" / "manifest.json").write_text("{", encoding="utf-8")
    claim_folder(folder, kind="run")
    claim_folder(folder, kind="run")
    assert read_manifest(folder)["kind"] == "run"


def test_a_flipped_bit_of_the_manifest_itself_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    claim_folder(folder, kind="run")
    verify_manifest(folder)
    before = (folder / "manifest.json").read_bytes()
    for bit in range(0, 8 * len(before), 5):
        after = bytearray(before)
        after[bit // 8] ^= 1 << bit % 8
        (folder / "manifest.json").write_bytes(after)
        with pytest.raises(CheckpointError):
            verify_manifest(folder)
