"""How a training run is kept in its folder, and when it may go on."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from mason.errors import SettingsError
from mason.language import say
from mason.models.spec import ModelSpec
from mason.settings import OutputSettings, Settings
from mason.settings.changes import compare
from mason.settings.schema import paths
from mason.training.checkpoints import Checkpoints
from mason.training.history import History
from mason.training.log import Log, Silent
from mason.training.loop import Watch
from mason.training.run_folder import Begun, RunFolder
from mason.training.sinks import MLflow, Sink, Sinks, TensorBoard
from mason.training.watchdog import Watchdog
from mason.training.world import ALONE, World
from mason.workflows.tasks import Examples

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kept:
    """A run's folder and what keeps the run in it."""

    place: RunFolder
    log: Log
    keeper: Checkpoints | None
    world: World = ALONE


def keep_run(
    place: RunFolder, now: Begun, *, resuming: bool, notice: Say, world: World = ALONE
) -> Kept:
    """Begin a run in a folder, or go on with the one that is there; its first process does.

    Raises:
        SettingsError: The unfinished run there was started with other settings or data.
    """
    settings = Settings.model_validate(now.settings)
    told = Log(place.log, _sinks(place, settings, notice)) if world.is_first else None
    log = told or Silent(place.log)
    keeper = _checkpoints(place, log, settings.output)

    def begin() -> None:
        before = place.begun()
        if before is not None and keeper is not None and keeper.places():
            _check(place, before, now, resuming=resuming, notice=notice)
        else:
            place.start_over()
        place.begin(now)

    world.first(begin)
    return Kept(place, log, keeper, world)


@contextmanager
def watching(kept: Kept | None, watch: Watch) -> Iterator[Watch]:
    """What ``fit`` shall call: keeps the log, and writes down where a run hangs."""
    if kept is None:
        yield watch
        return
    rank = kept.world.rank
    watchdog = Watchdog(kept.place.inner / (f"hang-{rank}.txt" if rank else "hang.txt"))

    def seen(history: History) -> None:
        kept.log(history)
        watchdog.tick()
        watch(history)

    try:
        yield seen
    finally:
        watchdog.stop()
        if kept.log.sinks:
            kept.log.sinks.close()


def _sinks(place: RunFolder, settings: Settings, notice: Say) -> Sinks | None:
    """The sinks that are asked for.

    Raises:
        SettingsError: One is not installed.
    """
    named = settings.output.sinks or ()
    made: dict[str, Sink] = {}
    for name in [named] if isinstance(named, str) else named:
        if name == "tensorboard":
            made[name] = TensorBoard(place.board)
            continue
        told = {path: reduce(getattr, path.split("."), settings) for path in paths()}
        known = {path: value for path, value in told.items() if value is not None}
        folder = place.folder.parent / "mlruns"
        made[name] = MLflow(place.folder.name, folder, place.inner / "mlflow-run", known)
    return Sinks(made, notice) if made else None


def _checkpoints(place: RunFolder, log: Log, output: OutputSettings) -> Checkpoints | None:
    if not output.checkpoints:
        return None
    background = output.checkpoint_in_background
    if background is None:
        # On the CPU the writer would take a core from the products.
        background = torch.cuda.is_available()
    return Checkpoints(
        place.checkpoints,
        log,
        keep=output.checkpoints,
        every_steps=output.checkpoint_steps,
        every_seconds=60 * output.checkpoint_minutes,
        capsules=place.refused,
        background=background,
    )


def _check(place: RunFolder, before: Begun, now: Begun, *, resuming: bool, notice: Say) -> None:
    changes = compare(before.settings, now.settings)
    if changes.refused:
        raise SettingsError(
            "These settings cannot change while the run in {folder} is unfinished: {changes}; "
            "leave them as they were, or train in another folder with --output.",
            folder=place.folder,
            changes="; ".join(changes.refused),
        )
    if before.data != now.data:
        raise SettingsError(
            "The data are not those the unfinished run in {folder} was started with; bring them "
            "back, or train in another folder with --output.",
            folder=place.folder,
        )
    if before.model != now.model:
        raise SettingsError(
            "The model is not the one the unfinished run in {folder} was started with; name that "
            "one, or train in another folder with --output.",
            folder=place.folder,
        )
    if changes.felt and not resuming:
        raise SettingsError(
            "The run in {folder} is unfinished and was started with other settings: {changes}. "
            "mason resume goes on with it and takes new settings too; to start again, delete the "
            "folder or choose another --output.",
            folder=place.folder,
            changes="; ".join(changes.felt),
        )
    if changes.felt:
        notice(say("Changed on the way: {changes}.", changes="; ".join(changes.felt)))
    notice(say("Going on with the unfinished run in {folder}.", folder=place.folder))


def data_fingerprint(splits: Mapping[str, Examples]) -> str:
    """A hash of every number of every example and split, in order."""
    digest = hashlib.sha256()
    for name, examples in splits.items():
        digest.update(f"{name}/{len(examples)}/".encode())
        for column in examples.columns:
            digest.update(np.array([len(c) for c in column], dtype=np.int64).tobytes())
            flat = np.concatenate([np.asarray(c, dtype=np.int64) for c in column])
            digest.update(flat.tobytes())
    return digest.hexdigest()


def model_fingerprint(spec: ModelSpec) -> str:
    """A hash of everything a network is made of, its weights left out."""
    return hashlib.sha256(repr(spec).encode()).hexdigest()
