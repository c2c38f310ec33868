"""Bits flip, files are cut, swapped and deleted; nothing of it is loaded."""

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import mason
from mason.errors import CheckpointError, MasonError
from mason.models.files import verify_manifest, write_weights, writing_folder
from mason.training.checkpoints import Checkpoints, verify
from mason.training.log import Log
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.state import State
from tests.chaos.findings import Findings
from tests.chaos.runs import Server, Workshop
from tests.training.small import build, objective

FULL = pytest.mark.chaos
COUNTS = [(24, 8), pytest.param(512, 64, marks=FULL)]
RECIPE = Recipe(epochs=2, batch_size=5, learning_rate=3e-3, precision="fp32")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Two checkpoints of a run, of steps 4 and 6."""
    folder = tmp_path_factory.mktemp("kept")
    checkpoints = Checkpoints(folder / "checkpoints", Log(folder / "log.jsonl"), every_steps=2)
    recipe = Recipe(**{**vars(RECIPE), "max_steps": 6})
    fit(build("encoder"), objective(16), recipe, watch=checkpoints.log, keeper=checkpoints)
    return checkpoints


def restored(kept: Checkpoints) -> tuple[int, dict[str, torch.Tensor], list[str]]:
    """The step, weights and notices a fresh process would go on with."""
    again = Checkpoints(kept.folder, Log(kept.log.file), every_steps=2)
    state = State.fresh(build("encoder", seed=9), objective(16), RECIPE, ())
    assert again.restore(state)
    weights = {name: w.detach().clone() for name, w in state.weights().items()}
    return state.history.step, weights, state.history.notices


def damages(folder: Path, flips: int, cuts: int, seed: int = 0) -> Iterator[str]:
    """Damage a folder, one thing at a time; each is undone when the next is asked for."""
    chance = random.Random(seed)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for number in range(flips + cuts):
        file = chance.choice(files)
        before = file.read_bytes()
        after, place = bytearray(before), chance.randrange(len(before))
        if number < flips:
            after[place] ^= 1 << chance.randrange(8)
        else:
            del after[place:]
        file.write_bytes(after)
        yield f"{'bit' if number < flips else 'cut'} at {place} of {file.relative_to(folder)}"
        file.write_bytes(before)
    for file in files:
        aside = file.with_name("aside")
        file.rename(aside)
        yield f"without {file.relative_to(folder)}"
        aside.rename(file)
    for first, second in pairwise(files):
        _swap(first, second)
        yield f"{first.relative_to(folder)} and {second.relative_to(folder)} swapped"
        _swap(first, second)


def _swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@pytest.mark.parametrize(("flips", "cuts"), COUNTS)
def test_a_damaged_checkpoint_is_found_and_the_one_before_it_used(
    flips: int, cuts: int, kept: Checkpoints, findings: Findings
) -> None:
    older, newest = kept.places()[-2:]
    _, right, _ = restored(kept)
    shutil.move(newest, kept.folder.parent / "aside")
    step, before, _ = restored(kept)
    shutil.move(kept.folder.parent / "aside", newest)
    assert (step, older.name) == (4, "step-00000004")
    times = 0
    for what in damages(newest, flips, cuts):
        times += 1
        with pytest.raises(CheckpointError):
            verify(newest)
        step, weights, notices = restored(kept)
        assert step == 4, what
        assert all(torch.equal(weights[name], before[name]) for name in before), what
        assert any("step-00000006" in notice for notice in notices), what
    assert times >= flips + cuts
    step, weights, _ = restored(kept)
    assert step == 6 and all(torch.equal(weights[name], right[name]) for name in right)
    findings.add(
        f"checkpoint damaged: {flips} flipped bits, {cuts} cuts, each file deleted, pairs swapped",
        times,
        "100 % found by verify, 0 loaded; the older checkpoint used, the damaged one named",
    )


@pytest.mark.parametrize(("flips", "cuts"), COUNTS)
def test_a_damaged_model_is_found_and_not_loaded(
    flips: int, cuts: int, workshop: Workshop, findings: Findings, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(workshop.whole, model)
    verify_manifest(model)
    text = "The radio: worth every penny."
    right, times, refused = mason.load(model).predict(text), 0, 0
    for what in damages(model, flips, cuts):
        times += 1
        with pytest.raises(CheckpointError):
            verify_manifest(model)
        try:
            assert mason.load(model).predict(text) == right, what  # a file that is not read
        except MasonError:
            refused += 1
    findings.add(
        f"finished model damaged: {flips} flipped bits, {cuts} cuts, each file deleted, pairs "
        "swapped",
        times,
        f"100 % found by verify; {refused} refused when loaded, the others touch no file that is "
        "read: 0 wrong loads",
    )


def test_swapped_and_missing_shards_are_found(findings: Findings, tmp_path: Path) -> None:
    model = tmp_path / "model"
    tensors = {f"w{i}": torch.full((8, 8), float(i)) for i in range(6)}
    with writing_folder(model, kind="model") as draft:
        write_weights(draft, tensors, max_shard_bytes=300)
    verify_manifest(model)
    times = 0
    for _ in damages(model, 0, 0):
        times += 1
        with pytest.raises(CheckpointError):
            verify_manifest(model)
    assert times == 15
    findings.add("shards of one model deleted and swapped", times, "100 % found by verify")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for line in (0, content.index(b"\n") + 1):
        place = content.index(b'"step": ', line) + 8
        content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _flip])
def test_a_damaged_log_costs_no_step(
    damage: Callable[[Path], None], kept: Checkpoints, tmp_path: Path
) -> None:
    """The place in the run is in the checkpoint; the log only tells of it."""
    copy = tmp_path / "copy"
    shutil.copytree(kept.folder.parent, copy)
    damage(copy / "log.jsonl")
    step, weights, notices = restored(Checkpoints(copy / "checkpoints", Log(copy / "log.jsonl")))
    assert step == 6
    assert all(torch.equal(w, restored(kept)[1][name]) for name, w in weights.items())
    assert any("log.jsonl is not what was written" in notice for notice in notices)


def test_the_command_goes_on_from_the_older_checkpoint(
    workshop: Workshop, server: Server, findings: Findings, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    order = workshop.order(output)
    (ended,) = server.carry_out(order | {"kill_after": 7})
    assert ended.code == -signal.SIGKILL
    places = sorted((output / "run" / "checkpoints").glob("step-*"))
    _cut(places[-1] / "model.safetensors")
    (verified,) = server.carry_out({"words": ["resume", str(output), "--verify"]})
    assert verified.code == 0 and "is not the file that was written" in verified.text
    (again,) = server.carry_out(order | {"words": ["resume", str(output)]})
    assert again.code == 0 and f"Passed over a checkpoint: {places[-1]}" in again.text
    assert not workshop.problems(output)
    findings.add(
        "mason resume with a cut newest checkpoint", 1, "went on from the older, bit-equal"
    )
