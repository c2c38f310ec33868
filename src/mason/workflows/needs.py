"""What a run needs of the machine, and what to change where it does not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mason.language import say
from mason.models.transformer import Transformer
from mason.reports.numbers import count, duration, magnitude, size
from mason.runtime import free_disk, memory_limit, pick_precision
from mason.settings import OutputSettings
from mason.tasks.classification import (
    ClassificationObjective,
    Examples,
    class_logits,
    reading_passes,
)
from mason.training.forecast import Forecast, forecast, measure_speed
from mason.training.recipe import Recipe

_MARGIN = 1.15
"""A run fits if even so much more would: the forecast's worst error below what was measured
(``python -m benchmarks.forecast``)."""
_LEARNED = ("weights", "gradients", "optimizer")


@dataclass(frozen=True)
class Job:
    """A run before it begins.

    Attributes:
        network: On any device, the meta device included.
        train: The examples to learn from; only lengths count.
        held: Those of the validation, if any.
        recipe: Every number of the run.
        output: What is kept on the disk.
        device: Where it will run.
        process: Bytes the process holds without the network.
        fresh: Parameters that start from random weights.
    """

    network: Transformer
    train: Examples
    held: Examples | None
    recipe: Recipe
    output: OutputSettings
    device: torch.device
    process: int
    fresh: Sequence[str] = ()


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
        changes: Where it does not fit: what to change, cheapest first.
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
    changes: tuple[Change, ...] = ()

    @property
    def peak(self) -> int:
        """Bytes of memory at the fullest moment."""
        return sum(self.memory.values())

    @property
    def fits_memory(self) -> bool:
        """Whether memory is enough, the forecast's error counted in."""
        return self.peak * _MARGIN <= self.memory_limit

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
        if self.smaller_passes:
            lines.append(
                say(
                    "To fit, at most {tokens} tokens are in memory at once; the batches stay the "
                    "same.",
                    tokens=count(self.recipe.tokens_per_pass),
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
    """Forecast a run; where it does not fit, in smaller passes, which change no result.

    Batches stay as they are, so fewer tokens at once cost only speed. If even that is not
    enough, ``changes`` says what would be.
    """
    limit = _limit(job)
    first = now = _needs(job, _forecast(job), limit)
    if first.fits_memory:
        return first
    if _kept(first) * _MARGIN < limit:
        longest, tokens = max(job.train.lengths), job.recipe.tokens_per_pass
        tokens = min(tokens, _largest_batch(job))
        while not now.fits_memory and tokens > longest:
            tokens = max(longest, tokens // 2)
            smaller = replace(job, recipe=replace(job.recipe, tokens_per_pass=tokens))
            now = replace(_needs(smaller, _forecast(smaller), limit), smaller_passes=True)
        job = replace(job, recipe=now.recipe)
    return now if now.fits_memory else replace(now, changes=tuple(_changes(job, now)))


def _largest_batch(job: Job) -> int:
    """Tokens that may meet in a batch: more at once are never there."""
    longest = sorted(job.train.lengths)[-job.recipe.batch_size :]
    return max(sum(longest), job.recipe.tokens_per_batch or 0)


def _forecast(job: Job) -> Forecast:
    smoothing, examples = job.recipe.label_smoothing, job.train
    objective = ClassificationObjective(examples, label_smoothing=smoothing)

    def infer(network: torch.nn.Module) -> None:
        assert job.held is not None and isinstance(network, Transformer)
        runs = reading_passes(job.held.lengths)
        lengths = job.held.lengths
        class_logits(network, job.held.pack(max(runs, key=lambda r: _cost(r, lengths))))

    held = infer if job.held is not None and len(job.held) else None
    return forecast(job.network, objective, job.recipe, fresh=job.fresh, infer=held)


def _cost(run: Sequence[int], lengths: Sequence[int]) -> int:
    """Tokens, and what scores add to them at the widths that are common."""
    return sum(lengths[i] * (100 + lengths[i]) for i in run)


def _needs(job: Job, told: Forecast, limit: int) -> Needs:
    memory = {"process": job.process, **told.memory}
    if job.held is not None and (job.output.folder is None or not job.output.checkpoints):
        memory["best"] = told.weight_bytes
    elif job.output.folder is not None and _in_background(job):
        memory["checkpoint"] = told.state_bytes
    folder = Path(job.output.folder) if job.output.folder is not None else None
    return Needs(
        {name: held for name, held in memory.items() if held},
        limit,
        _disk(job, told),
        free_disk(folder) if folder else None,
        _seconds(job, told),
        told.num_parameters,
        told.num_steps,
        job.recipe,
    )


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
    if job.device.type != "cpu":
        return None
    speed = measure_speed(job.network.spec.width, pick_precision(job.recipe.precision, job.device))
    seconds = told.seconds(speed)
    if job.held is not None:
        # Reading is the third of a step that goes forward.
        reading = sum(job.held.lengths) * told.read.seconds(speed) / told.tokens_read / 3
        epochs = told.num_tokens / max(sum(job.train.lengths), 1)
        seconds += reading * max(1.0, epochs * job.recipe.evaluations_per_epoch)
    return seconds


def _limit(job: Job) -> int:
    if job.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free) + torch.cuda.memory_reserved()
    return memory_limit()


def _kept(needs: Needs) -> int:
    """Bytes that stay however little is in a pass."""
    own = (*_LEARNED, "process", "best", "checkpoint")
    return sum(needs.memory.get(name, 0) for name in own)


def _changes(job: Job, now: Needs) -> list[Change]:
    """What would make it fit, the least loss first."""
    found = []
    longest = max(job.train.lengths)
    if longest > 1 and _kept(now) * _MARGIN < now.memory_limit:
        cut = max(longest // 2, 1)
        shorter = replace(job, train=_cut(job.train, cut), held=job.held and _cut(job.held, cut))
        saved = now.peak - _needs(shorter, _forecast(shorter), now.memory_limit).peak
        if saved > 0:
            found.append(
                Change(
                    say(
                        "Cut texts earlier, with --model.max-tokens {tokens}: saves {saved}.",
                        tokens=cut,
                        saved=_short(saved),
                    ),
                    saved,
                )
            )
    process = now.memory.get("process", 0)
    share = (now.memory_limit / _MARGIN - process) / max(now.peak - process, 1)
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
            say("Use a machine with {memory} free.", memory=_short(now.peak * _MARGIN)),
            0,
        )
    )
    return found


def _cut(examples: Examples, most: int) -> Examples:
    types = examples.token_types
    return Examples(
        [t[:most] for t in examples.tokens],
        None if types is None else [t[:most] for t in types],
        examples.targets,
    )


def _rounded(value: float) -> int:
    """Two digits: more would be pretence."""
    return int(float(f"{value:.1e}"))


def _short(num_bytes: float) -> str:
    """Bytes in two digits, or three: a forecast knows no more."""
    return size(float(f"{num_bytes:.2e}" if num_bytes >= 1e10 else f"{num_bytes:.1e}"))
