"""What a run needs of the machine, and what to change where it does not fit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mason.errors import RunError
from mason.language import say
from mason.models.transformer import num_parameters, set_recompute
from mason.reports.numbers import count, duration, magnitude, size
from mason.runtime import (
    free_disk,
    memory_limit,
    num_local_processes,
    pick_precision,
    resident_bytes,
    return_freed_memory,
)
from mason.training.forecast import Forecast, forecast, measure_speed, memory_of_each
from mason.training.recipe import Recipe
from mason.training.used_rows import training_used_rows
from mason.workflows.job import Held as Held
from mason.workflows.job import Job as Job

MARGIN = 1.15
"""A run fits if even so much more would: no measured run needed more, 1.13 at most
(``python -m benchmarks.forecast``)."""
_TWO_AVERAGES = ("adamw", "schedule_free")
"""Optimisers with two more values for each of the model's."""
_OF_PROCESSORS = ("code", "gaps")
"""What only the memory of a CPU has."""
_LEARNED = ("weights", "gradients", "optimizer")


@dataclass(frozen=True)
class Change:
    """Something that would make a run smaller: in words, and the bytes it saves."""

    sentence: str
    saves: int


@dataclass(frozen=True)
class Needs:
    """What a run needs.

    Attributes:
        memory: Bytes at the fullest moment, by what they are for.
        memory_limit: Bytes there are for this process.
        disk: Bytes in the run's folder at the fullest moment.
        disk_free: Bytes free there; None: nothing is written.
        seconds: How long training takes here, evaluations included; None: not on the CPU,
            whose speed alone is measured.
        num_parameters: Of the network.
        num_steps: Optimiser steps.
        recipe: The run's, with passes as small as memory asks for.
        smaller_passes: Whether they had to be made smaller.
        recompute: Whether activations have to be computed again in the backward pass.
        changes: Where it does not fit: what to change, cheapest first.
        flops_per_token: Operations of matrix products, forward and backward.
        processes: How many share it; memory is that of each, time and disk are for all.
        paced: Whether the time was given, and the number of steps follows from it.
    """

    memory: Mapping[str, int]
    memory_limit: int
    disk: int
    disk_free: int | None
    seconds: float | None
    num_parameters: int
    num_steps: int
    recipe: Recipe
    smaller_passes: bool = False
    recompute: bool = False
    changes: tuple[Change, ...] = ()
    flops_per_token: float = 0.0
    processes: int = 1
    paced: bool = False

    @property
    def peak(self) -> int:
        """Bytes of memory at the fullest moment."""
        return sum(self.memory.values())

    @property
    def fits_memory(self) -> bool:
        """Whether memory is enough, the forecast's error counted in."""
        return self.peak * MARGIN <= self.memory_limit

    @property
    def fits_disk(self) -> bool:
        """Whether the disk is enough."""
        return self.disk_free is None or self.disk <= self.disk_free

    @property
    def sentence(self) -> str:
        """Memory, time and disk in one line."""
        memory, limit = _short(self.peak), _short(self.memory_limit)
        if self.seconds is None:
            told = say("Needs about {memory} of {limit} memory", memory=memory, limit=limit)
        else:
            told = say(
                "Needs about {memory} of {limit} memory and {time}",
                memory=memory,
                limit=limit,
                time=duration(self.seconds),
            )
        disk = say("; {disk} of disk", disk=_short(self.disk)) if self.disk else ""
        return told + disk + say(".")

    @property
    def sentences(self) -> list[str]:
        """The first lines of a run: what it needs, and what was or should be changed."""
        lines = [self.sentence]
        if self.paced:
            lines.append(say("That is time for about {steps:,} steps.", steps=self.num_steps))
        if self.processes > 1:
            lines.append(say("The memory is that of each of {num} processes.", num=self.processes))
        if self.smaller_passes:
            lines.append(
                say(
                    "To fit, at most {tokens} tokens are in memory at once; the batches stay the "
                    "same.",
                    tokens=count(self.recipe.tokens_per_pass),
                )
            )
        if self.recompute:
            lines.append(
                say(
                    "To fit, activations are computed again in the backward pass: a step takes "
                    "about a third longer, and its result stays the same."
                )
            )
        if not self.fits_disk:
            lines.append(
                say(
                    "The disk has only {free} free: checkpoints will fail until there is room; "
                    "--output.checkpoints 1 keeps fewer.",
                    free=_short(self.disk_free or 0),
                )
            )
        return lines


def look(job: Job) -> Needs:
    """Forecast a run; where it does not fit, in a form that does and learns the same.

    First with fewer tokens at once, which cost only speed, then with activations computed
    again as well. If even that is not enough, ``changes`` says what would be.
    """
    limit = _limit(job)
    now = _needs(job, limit)
    if now.fits_memory:
        return now
    last = job
    for recompute in (False, True) if _kept(now) * MARGIN < limit else ():
        lean = replace(job, recompute=job.recompute or recompute)
        *larger, leanest = _in_smaller_passes(lean)
        smallest = _needs(leanest, limit)
        if not smallest.fits_memory:
            last, now = leanest, smallest
            continue
        tried = (_needs(one, limit) for one in larger)
        fits = next((needs for needs in tried if needs.fits_memory), smallest)
        return replace(
            fits,
            smaller_passes=fits.recipe.tokens_per_pass < job.recipe.tokens_per_pass,
            recompute=recompute and not job.recompute,
        )
    return replace(now, changes=tuple(_changes(last, now)))


def look_first(job: Job, notice: Callable[[str], None]) -> Needs | None:
    """Say what a run needs, before its first step; None where that cannot be foretold.

    The network is left computing activations again where the run asks for it or has to.

    Raises:
        RunError: It cannot fit this machine.
    """
    try:
        needs = look(job)
    except Exception as error:  # a block of the user's own may not go without values
        notice(say("What the run needs cannot be foretold: {reason}", reason=error))
        set_recompute(job.network, job.recompute)
        return None
    set_recompute(job.network, job.recompute or needs.recompute)
    return_freed_memory()  # what looking took is no part of the run
    if not needs.fits_memory:
        raise RunError(
            "{needs} It does not fit and was not started. {changes}",
            needs=needs.sentence,
            changes=" ".join(change.sentence for change in needs.changes),
        )
    for sentence in needs.sentences:
        notice(sentence)
    return needs


def _in_smaller_passes(job: Job) -> Iterator[Job]:
    """The same batches with ever fewer tokens at once, down to a single text's."""
    longest = max(job.objective.lengths)
    yield job
    tokens = min(job.recipe.tokens_per_pass, _largest_batch(job))
    while tokens > longest:
        tokens = max(longest, tokens // 2)
        yield replace(job, recipe=replace(job.recipe, tokens_per_pass=tokens))


def _largest_batch(job: Job) -> int:
    """Tokens that may meet in a batch: more at once are never there."""
    longest = sorted(job.objective.lengths)[-job.recipe.batch_size :]
    return max(sum(longest), job.recipe.tokens_per_batch or 0)


def _forecast(job: Job) -> Forecast:
    infer = job.held.infer if job.held is not None else None
    set_recompute(job.network, job.recompute)
    with training_used_rows(job.network, job.used):
        return forecast(job.network, job.objective, job.recipe, fresh=job.fresh, infer=infer)


def _needs(job: Job, limit: int) -> Needs:
    told, seconds = _within(job, _forecast(job))
    folder = Path(job.output.folder) if job.output.folder is not None else None
    return Needs(
        {name: held for name, held in _memory(job, told).items() if held},
        limit,
        _disk(job, told),
        free_disk(folder) if folder else None,
        seconds,
        num_parameters(job.network),
        told.num_steps,
        job.recipe,
        flops_per_token=told.read.flops / told.tokens_read,
        processes=job.processes,
        paced=job.budget is not None and seconds is not None,
    )


def _memory(job: Job, told: Forecast) -> dict[str, int]:
    """Bytes by what they are for: a forecast's, and what is there beside the model."""
    memory = {"process": job.process, **memory_of_each(told.memory, job.network, job.processes)}
    if job.device.type != "cpu":
        memory = {name: held for name, held in memory.items() if name not in _OF_PROCESSORS}
    if job.held is not None and (job.output.folder is None or not job.output.checkpoints):
        memory["best"] = told.weight_bytes
    elif job.output.folder is not None and (_in_background(job) or job.processes > 1):
        memory["checkpoint"] = told.state_bytes
    judged = sum(memory.get(name, 0) for name in ("process", "weights", "code", "best"))
    memory["judging"] = max(0, judged + job.judging - sum(memory.values()))
    return memory


def _within(job: Job, told: Forecast) -> tuple[Forecast, float | None]:
    """The forecast and its seconds; where a time is given, with as many steps as fit."""
    seconds = _seconds(job, told)
    if job.budget is None or seconds is None:
        return told, seconds
    share = job.budget / seconds
    steps = max(1, round(told.num_steps * share))
    return replace(told, num_steps=steps, num_tokens=round(told.num_tokens * share)), job.budget


def _in_background(job: Job) -> bool:
    chosen = job.output.checkpoint_in_background
    if chosen is None:
        chosen = job.device.type == "cuda"
    return chosen and bool(job.output.checkpoints)


def _disk(job: Job, told: Forecast) -> int:
    """The checkpoints kept, the best, the one being written; and the model."""
    if job.output.folder is None:
        return 0
    num_checkpoints = job.output.checkpoints + 2 if job.output.checkpoints else 0
    return min(num_checkpoints, told.num_steps + 1) * told.state_bytes + told.weight_bytes


def _seconds(job: Job, told: Forecast) -> float | None:
    if job.timed is not None or job.device.type != "cpu":
        return job.timed
    speed = measure_speed(job.network.spec.width, pick_precision(job.recipe.precision, job.device))
    seconds = told.seconds(speed)
    if job.held is not None:
        # Reading is the third of a step that goes forward.
        reading = job.held.num_tokens * told.read.seconds(speed) / told.tokens_read / 3
        seconds += reading * _num_evaluations(job, told)
    return seconds / job.processes


def _num_evaluations(job: Job, told: Forecast) -> float:
    if job.recipe.evaluate_steps is not None:
        return max(1.0, told.num_steps / job.recipe.evaluate_steps)
    epochs = told.num_tokens / max(sum(job.objective.lengths), 1)
    return max(1.0, epochs * job.recipe.evaluations_per_epoch)


def _limit(job: Job) -> int:
    if job.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free) + torch.cuda.memory_reserved()
    own = resident_bytes()
    return own + (memory_limit() - own) // num_local_processes()


def _kept(needs: Needs) -> int:
    """Bytes that stay however little is in a pass."""
    own = (*_LEARNED, "process", "best", "checkpoint")
    return sum(needs.memory.get(name, 0) for name in own)


def _changes(job: Job, now: Needs) -> list[Change]:
    """What would make it fit, the least loss first."""
    found = []
    longest = max(job.objective.lengths)
    if job.recipe.optimizer in _TWO_AVERAGES and job.processes == 1:
        lean = replace(job, recipe=replace(job.recipe, optimizer="adafactor"))
        saved = now.peak - _needs(lean, now.memory_limit).peak
        if saved > 0:
            found.append(
                Change(
                    say(
                        "Keep less of the optimiser, with --training.optimizer adafactor: saves "
                        "{saved}.",
                        saved=_short(saved),
                    ),
                    saved,
                )
            )
    if job.cut is not None and longest > 1 and _kept(now) * MARGIN < now.memory_limit:
        tokens = max(longest // 2, 1)
        shorter = replace(job.cut(tokens), recipe=job.recipe, recompute=job.recompute)
        saved = now.peak - _needs(shorter, now.memory_limit).peak
        if saved > 0:
            found.append(
                Change(
                    say(
                        "Cut texts earlier, with --model.max-tokens {tokens}: saves {saved}.",
                        tokens=tokens,
                        saved=_short(saved),
                    ),
                    saved,
                )
            )
    process = now.memory.get("process", 0)
    share = (now.memory_limit / MARGIN - process) / max(now.peak - process, 1)
    if share > 0:
        saved = round((1 - share) * (now.peak - process))
        found.append(
            Change(
                say(
                    "Choose a smaller model: one of about {parameters} parameters fits, which "
                    "saves {saved}.",
                    parameters=magnitude(_rounded(share * now.num_parameters)),
                    saved=_short(saved),
                ),
                saved,
            )
        )
    found.append(
        Change(
            say("Use a machine with {memory} free.", memory=_short(now.peak * MARGIN)),
            0,
        )
    )
    return found


def _rounded(value: float) -> int:
    """Two digits: more would be pretence."""
    return int(float(f"{value:.1e}"))


def _short(num_bytes: float) -> str:
    """Bytes in two digits, or three: a forecast knows no more."""
    return size(float(f"{num_bytes:.2e}" if num_bytes >= 1e10 else f"{num_bytes:.1e}"))
