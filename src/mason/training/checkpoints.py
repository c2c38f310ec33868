"""Checkpoints: a run that is killed at any moment goes on from the last one, bit for bit.

A checkpoint is a folder of safetensors and JSON, no pickle. It is written beside its place,
flushed, listed with checksums and renamed once; it is verified before it is used, and a
damaged one is passed over by name. Older ones go only after the new one is in its place.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from mason.errors import CheckpointError, MasonError
from mason.language import say
from mason.models.files import (
    LazyTensor,
    open_weights,
    read_json,
    verify_manifest,
    write_json,
    write_weights,
    writing_folder,
)
from mason.training.history import History
from mason.training.log import Log
from mason.training.optimizer_state import load_optimizer, optimizer_tensors
from mason.training.state import State

_FORMAT = "mason-checkpoint-1"
_FACTS, _OPTIMIZER, _AVERAGES = "state.json", "optimizer", "averages"
_COST_SHARE = 0.02
"""Most of a run's time that timed checkpoints may take."""
_FIRST_SECONDS, _RETRY_SECONDS = 15.0, 30.0


class _Snapshot(NamedTuple):
    """What is written: nothing in it changes while training goes on."""

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    averages: dict[str, Tensor]
    facts: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie, each in ``step-NNNNNNNN``.
        log: The run's log; a checkpoint remembers how far it had come.
        keep: How many of the last to keep, 1 or more; the best is kept besides.
        every_steps: Keep one after this many steps; None: by time.
        every_seconds: Keep one after this long, or later where that took more than
            2 % of the time; the first ones come sooner, for a run that breaks down does so early
            and needs something to go back to.
        capsules: Where refused steps are kept to be seen again.
        background: Write while training goes on; costs a copy of the state in memory.
    """

    resumable = True

    def __init__(
        self,
        folder: Path,
        log: Log,
        *,
        keep: int = 2,
        every_steps: int | None = None,
        every_seconds: float = 300.0,
        capsules: Path | None = None,
        background: bool = False,
    ) -> None:
        self.folder, self.log, self.num_kept = folder, log, keep
        self.capsules = capsules
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self._writer = ThreadPoolExecutor(1) if background else None
        self._writing: tuple[_Snapshot, Future[None]] | None = None
        self._last_step = 0
        self._spare: tuple[int, dict[str, Tensor]] | None = None
        self._pause = min(_FIRST_SECONDS, every_seconds)
        self._next_time = time.monotonic() + self._pause

    def restore(self, state: State) -> bool:
        """Bring a run to its newest checkpoint that is whole; False if there is none.

        Raises:
            CheckpointError: There are checkpoints, and every one is damaged.
        """
        self._wait(state)
        step = state.world.first(lambda: self._newest(state.history))
        if step is None:
            self.log.rewind(state.history, None)
            return False
        self._load(self._place(step), state)
        return True

    def _newest(self, history: History) -> int | None:
        """The step of the newest checkpoint that is whole."""
        self._sweep()
        damaged: list[str] = []
        for place in reversed(self.places()):
            try:
                step: int = verify(place)["step"]
            except MasonError as error:
                damaged.append(str(error))
                continue
            history.notices += [
                say("Passed over a checkpoint: {reason}", reason=reason) for reason in damaged
            ]
            return step
        if damaged:
            raise CheckpointError(
                "No checkpoint in {folder} is whole ({reason}) To start again, delete the folder.",
                folder=self.folder,
                reason=damaged[0],
            )
        return None

    def after_step(self, state: State) -> None:
        """Keep the run if it is time; never in the middle of a row of refused steps."""
        if state.guard.failures:
            return
        step = state.history.step
        if self.every_steps:
            due = step % self.every_steps == 0
        else:
            due = bool(state.world.highest(self._is_time()))
        if due:
            self.keep(state)

    def keep(self, state: State) -> None:
        """Keep the run now, unless this step is kept already. A full disk ends no run."""
        # The first process forgets a step that it could not write; then all keep it again.
        if not state.world.highest(state.history.step != self._last_step):
            self._wait(state)
            return
        self._save(state)
        if state.history.ended:
            self._wait(state)

    def keep_best(self, state: State) -> None:
        """Keep the run, for its weights are the best so far."""
        self.keep(state)

    def restore_best(self, state: State) -> None:
        """Bring the weights of the best evaluation back."""
        self._wait(state)
        best = state.history.best
        if best is None or best.step == state.history.step:
            return
        world, weights = state.world, state.weights()
        spare = self._spare[1] if self._spare and self._spare[0] == best.step else {}
        if world.highest(bool(spare)):
            for name, weight in weights.items():
                weight.detach().copy_(world.spread(spare.get(name), weight))
            return
        place = self._place(best.step)
        if not world.first(lambda: self._is_whole(place, state.history)):
            return
        _load_weights(place, state)
        averages = _tensors(place / _AVERAGES)
        for name in sorted(averages.keys() & weights.keys()):
            weights[name].detach().copy_(world.cut(averages[name].read(), weights[name]))

    def _is_whole(self, place: Path, history: History) -> bool:
        try:
            verify(place)
        except MasonError as error:
            history.notices.append(
                say("The best weights are lost, the last ones are used: {reason}", reason=error)
            )
            return False
        return True

    def close(self) -> None:
        """Wait for what is being written, so that whoever comes next finds it whole."""
        if self._writing is not None:
            self._writing[1].exception()

    def places(self) -> list[Path]:
        """The checkpoints, oldest first; by number, for clocks jump."""
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if p.name.startswith("step-"))

    def _is_time(self) -> bool:
        return time.monotonic() >= self._next_time

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _save(self, state: State) -> None:
        self._wait(state)
        start = time.monotonic()
        log = self.log.settle(state.history.steps[-1])
        facts = {"format": _FORMAT, **state.facts(), "log": log}
        optimizer, told = optimizer_tensors(state.optimizer, state.model.named_parameters())
        averages = state.average.tensors() if state.average else state.averages()
        facts[_OPTIMIZER] = told
        gather = state.world.gather
        shot = _Snapshot(
            state.history.step,
            gather(state.weights()),
            gather(optimizer),
            gather(averages),
            facts,
        )
        self._last_step = shot.step
        if not state.world.is_first:
            pass
        elif self._writer is None:
            self._settle(state, shot, lambda: self._write(shot))
        else:
            apart = shot._replace(
                weights=_copies(shot.weights),
                optimizer=_copies(shot.optimizer),
                averages=_copies(shot.averages),
            )
            self._writing = (apart, self._writer.submit(self._write, apart))
        seconds = time.monotonic() - start
        if self._last_step:  # else it could not be written, and is tried again sooner
            self._pause = min(self.every_seconds, 2 * self._pause)
            self._next_time = time.monotonic() + max(self._pause, seconds / _COST_SHARE)

    def _wait(self, state: State) -> None:
        """Until what is being written is written."""
        if self._writing is not None:
            (shot, writing), self._writing = self._writing, None
            self._settle(state, shot, writing.result)

    def _settle(self, state: State, shot: _Snapshot, write: Callable[[], None]) -> None:
        """Write; a disk that cannot take it is told to the user, and tried again soon."""
        try:
            write()
        except (OSError, CheckpointError, SafetensorError) as error:
            self._last_step = 0
            self._next_time = time.monotonic() + _RETRY_SECONDS
            if shot.facts["best"] == shot.step:
                best = {name: shot.averages.get(name, w) for name, w in shot.weights.items()}
                self._spare = (shot.step, _copies(best))
            state.history.notices.append(
                say(
                    "No checkpoint could be written at step {step} ({reason}); training goes on. "
                    "Make room: it is tried again soon.",
                    step=shot.step,
                    reason=error,
                )
            )

    def _write(self, shot: _Snapshot) -> None:
        try:
            self._write_once(shot)
        except (OSError, CheckpointError, SafetensorError):
            # Perhaps the disk is full: all but the last one, which is whole, can go.
            self._prune(1, shot.facts["best"])
            self._write_once(shot)
        self._prune(self.num_kept, shot.facts["best"])

    def _write_once(self, shot: _Snapshot) -> None:
        with writing_folder(self._place(shot.step), kind="checkpoint") as draft:
            write_json(draft / _FACTS, shot.facts)
            write_weights(draft, shot.weights)
            for name, tensors in ((_OPTIMIZER, shot.optimizer), (_AVERAGES, shot.averages)):
                if tensors:
                    (draft / name).mkdir()
                    write_weights(draft / name, tensors)

    def _prune(self, num_kept: int, best: int | None) -> None:
        for place in self.places()[:-num_kept]:
            if best is None or place != self._place(best):
                # Renamed first: a half deleted folder would look like a damaged checkpoint.
                aside = place.with_name(f".{place.name}.deleted")
                shutil.rmtree(aside, ignore_errors=True)
                place.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed process left half written or half deleted."""
        if self.folder.is_dir():
            for place in self.folder.iterdir():
                if place.name.startswith(".step-"):
                    shutil.rmtree(place, ignore_errors=True)

    def _load(self, place: Path, state: State) -> None:
        facts, cut = read_json(place / _FACTS), state.world.cut
        _load_weights(place, state)
        load_optimizer(
            state.optimizer,
            state.model.named_parameters(),
            {name: lazy.read() for name, lazy in _tensors(place / _OPTIMIZER).items()},
            facts[_OPTIMIZER],
            cut,
        )
        if state.average is not None:
            read = {name: lazy.read() for name, lazy in _tensors(place / _AVERAGES).items()}
            weights = state.weights()
            state.average.load({n: cut(t, weights.get(n, t)) for n, t in read.items()})
        state.load_facts(facts)
        self.log.rewind(state.history, facts["log"])
        self._last_step = state.history.step
        _say_what_differs(facts, state)


def verify(place: Path) -> dict[str, Any]:
    """The facts of a checkpoint, once every file of it was held against its checksum.

    Raises:
        CheckpointError: It is damaged, or of another version of Mason.
    """
    verify_manifest(place)
    facts = read_json(place / _FACTS)
    if facts.get("format") != _FORMAT:
        raise CheckpointError(
            "{folder} was written by another version of Mason; go on with that version.",
            folder=place,
        )
    return facts


def _say_what_differs(facts: Mapping[str, Any], state: State) -> None:
    now, notices = torch.get_num_threads(), state.history.notices
    if facts["threads"] != now:
        notices.append(
            say(
                "The run went on with {then} threads before and has {now} now: it will agree "
                "to rounding, not bit for bit.",
                then=facts["threads"],
                now=now,
            )
        )
    before = facts.get("processes", 1)
    if before != state.world.size:
        notices.append(
            say(
                "The run went on with {then} processes before and has {now} now: the same "
                "examples in the same order, equal to rounding.",
                then=before,
                now=state.world.size,
            )
        )


def _load_weights(place: Path, state: State) -> None:
    saved, wanted = open_weights(_file(place)), state.weights()
    if set(saved) != set(wanted):
        name = min(set(saved) ^ set(wanted))
        raise CheckpointError(
            "{folder} is of another model: the weight {name} is only in one of the two.",
            folder=place,
            name=name,
        )
    for name, weight in wanted.items():
        if tuple(weight.shape) != saved.shape(name):
            raise CheckpointError(
                "{folder} is of another model: its weight {name} has the shape {found}, the "
                "model's {wanted}.",
                folder=place,
                name=name,
                found=list(saved.shape(name)),
                wanted=list(weight.shape),
            )
        weight.detach().copy_(state.world.cut(saved.tensor(name), weight))


def _tensors(folder: Path) -> Mapping[str, LazyTensor]:
    """What was written into a folder; nothing, where there was nothing to write."""
    return open_weights(_file(folder)) if folder.is_dir() else {}


def _file(folder: Path) -> Path:
    index = folder / "model.safetensors.index.json"
    return index if index.exists() else folder / "model.safetensors"


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}
