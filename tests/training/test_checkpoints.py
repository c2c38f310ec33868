"""Checkpoints: killed anywhere, a run goes on bit for bit; what is damaged is never loaded."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from mason.errors import CheckpointError
from mason.models.files import verify_manifest
from mason.models.spec import Topology
from mason.training.checkpoints import Checkpoints
from mason.training.history import History
from mason.training.log import Log
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.models.small import TOPOLOGIES
from tests.training.small import build, objective

RECIPE = Recipe(epochs=3, batch_size=5, learning_rate=3e-3, precision="fp32")


class _KilledError(BaseException):
    """Stands for SIGKILL: nothing of the loop catches it."""


def keeper(folder: Path, **options: object) -> Checkpoints:
    """Checkpoints in a folder, with their log."""
    folder.mkdir(exist_ok=True)
    return Checkpoints(folder / "checkpoints", Log(folder / "log.jsonl"), **options)  # type: ignore[arg-type]


def run(
    folder: Path,
    topology: Topology = "encoder",
    *,
    die_at: int | None = None,
    recipe: Recipe = RECIPE,
    **options: object,
) -> tuple[dict[str, torch.Tensor], History]:
    """Train, perhaps dying after a step; the weights and the history."""
    kept = keeper(folder, **({"every_steps": 3} | options))
    model = build(topology)
    torch.manual_seed(die_at or 0)  # a process that starts anew has another generator

    def watch(history: History) -> None:
        kept.log(history)
        if history.step == die_at:
            raise _KilledError

    history = fit(model, objective(16), recipe, evaluate=_evaluate, watch=watch, keeper=kept)
    return {name: p.detach().clone() for name, p in model.named_parameters()}, history


def _evaluate(model: torch.nn.Module) -> dict[str, float]:
    learned = objective(16, seed=4)
    with torch.no_grad():
        return {"valid_loss": float(learned.loss(model, range(16))) / 16}


def _plain(history: History) -> list[dict[str, object]]:
    return [dataclasses.asdict(s) | {"seconds": 0} for s in history.steps]


def _assert_same(
    first: tuple[dict[str, torch.Tensor], History], second: tuple[dict[str, torch.Tensor], History]
) -> None:
    for name, weight in first[0].items():
        assert torch.equal(weight, second[0][name]), name
    assert _plain(first[1]) == _plain(second[1])
    assert first[1].evaluations == second[1].evaluations


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("background", [False, True])
def test_a_killed_run_goes_on_bit_for_bit(
    topology: Topology, background: bool, tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", topology)
    for step in (2, 3, 4, 7, 11):
        with pytest.raises(_KilledError):
            run(tmp_path / "cut", topology, die_at=step, background=background)
    _assert_same(run(tmp_path / "cut", topology), whole)


def test_dropout_drops_the_same_values_again(tmp_path: Path) -> None:
    from mason.models.transformer import set_dropout

    losses = []
    for name, die_at in (("whole", None), ("cut", 5), ("cut", None)):
        kept, model = keeper(tmp_path / name, every_steps=2), build("encoder")
        set_dropout(model, 0.3)

        def watch(history: History, kept: Checkpoints = kept, at: int | None = die_at) -> None:
            kept.log(history)
            if history.step == at:
                raise _KilledError

        try:
            history = fit(model, objective(16), RECIPE, watch=watch, keeper=kept)
            losses.append([s.loss for s in history.steps])
        except _KilledError:
            continue
    assert losses[0] == losses[1]


def test_a_signal_loses_no_step(tmp_path: Path) -> None:
    kept, model = keeper(tmp_path), build("encoder")

    def watch(history: History) -> None:
        kept.log(history)
        if history.step == 5 and history.stopped == "finished":
            os.kill(os.getpid(), signal.SIGTERM)

    history = fit(model, objective(16), RECIPE, watch=watch, keeper=kept)
    assert (history.stopped, history.signal, history.step) == ("interrupted", signal.SIGTERM, 5)
    assert [p.name for p in kept.places()] == ["step-00000005"]
    again = keeper(tmp_path)
    seen: list[int] = []
    history = fit(
        build("encoder"), objective(16), RECIPE, watch=lambda h: seen.append(h.step), keeper=again
    )
    assert seen[0] == 6 and history.stopped == "finished"


def test_the_last_two_and_the_best_stay(tmp_path: Path) -> None:
    losses = iter([3.0, 1.0, 2.0])
    kept = keeper(tmp_path, every_steps=1)
    fit(
        build("encoder"),
        objective(16),
        RECIPE,
        evaluate=lambda model: {"valid_loss": next(losses)},
        watch=kept.log,
        keeper=kept,
    )
    assert [p.name for p in kept.places()] == ["step-00000008", "step-00000011", "step-00000012"]
    for place in kept.places():
        verify_manifest(place)
    assert not [p for p in kept.folder.iterdir() if p.name.startswith(".")]


def test_a_damaged_checkpoint_is_passed_over_by_name(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(_KilledError):
        run(tmp_path / "cut", die_at=7)
    newest = tmp_path / "cut" / "checkpoints" / "step-00000006"
    weights = newest / "optimizer" / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    again = run(tmp_path / "cut")
    _assert_same(again, whole)
    assert any("step-00000006" in sentence for sentence in again[1].notices)


def test_where_every_checkpoint_is_damaged_nothing_starts_over(tmp_path: Path) -> None:
    with pytest.raises(_KilledError):
        run(tmp_path / "cut", die_at=7)
    for place in (tmp_path / "cut" / "checkpoints").iterdir():
        (place / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is whole"):
        run(tmp_path / "cut")


@pytest.mark.parametrize("seed", range(3))
def test_every_flipped_bit_and_every_cut_is_noticed(seed: int, tmp_path: Path) -> None:
    """A small version of ``make chaos``."""
    import random

    from mason.training.checkpoints import verify

    with pytest.raises(_KilledError):
        run(tmp_path / "cut", die_at=4)
    place = tmp_path / "cut" / "checkpoints" / "step-00000003"
    assert verify(place)["step"] == 3
    chance = random.Random(seed)
    files = sorted(p for p in place.rglob("*") if p.is_file())
    for _ in range(12):
        file = chance.choice(files)
        before = file.read_bytes()
        after = bytearray(before)
        if chance.random() < 0.5:
            after[chance.randrange(len(after))] ^= 1 << chance.randrange(8)
        else:
            del after[chance.randrange(len(after)) :]
        file.write_bytes(after)
        with pytest.raises(CheckpointError):
            verify(place)
        file.write_bytes(before)
    assert verify(place)["step"] == 3


def test_the_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(_KilledError):
        run(tmp_path / "cut", die_at=5)
    run(tmp_path / "cut")
    lines = (tmp_path / "cut" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [line["step"] for line in map(json.loads, lines) if line["kind"] == "step"]
    assert steps == list(range(1, 13))


def test_a_full_disk_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing fails from the second checkpoint on, then there is room again."""
    from mason.training import checkpoints

    whole, real, calls = run(tmp_path / "whole"), checkpoints.write_weights, []

    def full(folder: Path, tensors: object, **options: object) -> None:
        calls.append(folder)
        if 3 <= len(calls) < 8:
            raise OSError(28, "No space left on device")
        real(folder, tensors, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoints, "write_weights", full)
    cut = run(tmp_path / "cut")
    _assert_same(cut, whole)
    assert any("No space left" in sentence for sentence in cut[1].notices)
    kept = keeper(tmp_path / "cut")
    assert kept.places() and not list(kept.folder.glob(".*"))
    for place in kept.places():
        verify_manifest(place)
