"""Which model for these data, on this machine: looked at, none of them trained."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mason.advice.asked import Classes
from mason.advice.curves import Forecast, forecast, learning_curve
from mason.advice.licences import licence_of
from mason.advice.probe import over_readings
from mason.advice.ranking import mean_ranks, promise_of
from mason.advice.short_list import Candidate, Doubt
from mason.advice.short_list import ShortList as ShortList
from mason.errors import MasonError, SettingsError
from mason.language import say
from mason.metrics import suspects
from mason.models.transformer import num_parameters
from mason.runtime import keep_freed_memory, pick_device, pick_precision, seed_everything
from mason.settings import Settings, load_settings
from mason.sources import find_model
from mason.sources.aliases import ALIASES
from mason.workflows import jobs
from mason.workflows.advice_samples import KNOWN, Sample, sampled
from mason.workflows.model import Model
from mason.workflows.needs import Job, look
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared
from mason.workflows.tasks import Task, find_task

Say = Callable[[str], None]
_FEWEST_SIZES = 3
_TIMES = (2, 4)
"""How many times the labels there are the forecast asks about."""


@dataclass(frozen=True)
class _Looked:
    """A model's candidacy, its features, and what a probe answers for rows it has not seen."""

    candidate: Candidate
    features: NDArray[np.float32]
    said: NDArray[np.float64]


def advise(
    data: str | Path,
    models: Sequence[str | Path] | None = None,
    *,
    rows: int = 1000,
    notice: Say = lambda sentence: None,
    **options: object,
) -> ShortList:
    """Rank models for a table of labelled texts without training one.

    Every model reads a sample of the training rows once; scores of its features, a forecast of
    the fine-tuning run, and what word counts or more labels would give are worked out from that.

    Args:
        data: As for ``mason.train``.
        models: Names as for ``mason.load``, or folders that hold models; None: the short names
            that need no hub.
        rows: Most rows that are looked at.
        notice: Called with each sentence the user should read on the way.
        options: Settings by name, such as ``data.text`` and ``training.device``.

    Raises:
        MasonError: The data or a model named cannot be read, or the task is another.
    """
    resolved = load_settings(None, {**options, "data.train": str(data)})
    for sentence in resolved.notices:
        notice(sentence)
    settings = resolved.settings
    task = find_task(settings.task)
    if not isinstance(task, KNOWN):
        raise SettingsError(
            "mason advise knows {known}, not {task}.",
            known=", ".join(one.name for one in KNOWN),
            task=task.name,
        )
    keep_freed_memory()
    seed_everything(settings.training.seed)
    sample = sampled(settings, task, rows)
    looked, passed_over = _look_at_all(settings, task, sample, models, notice)
    asked, first = sample.asked, looked[0]
    said = asked.out_of_fold(sample.simple, sample.texts)
    curve, forecasts = _more_rows(first.features, sample)
    return ShortList(
        sample.prepared.file,
        sample.items,
        asked.measure,
        sample.num_items,
        len(asked),
        [one.candidate for one in looked],
        passed_over,
        asked.estimate(said),
        asked.marks(said),
        curve,
        forecasts,
        _doubts(first.said, sample),
        asked.groups,
    )


def _look_at_all(
    settings: Settings,
    task: Task[Any, Any],
    sample: Sample,
    models: Sequence[str | Path] | None,
    notice: Say,
) -> tuple[list[_Looked], dict[str, str]]:
    """The models in the order to try them, and those that could not be read."""
    found: dict[str, _Looked] = {}
    passed_over: dict[str, str] = {}
    for name in list(ALIASES) if models is None else _named(models):
        notice(say("Looking at {model}.", model=name))
        try:
            found[name] = _look_at(name, settings, task, sample)
        except MasonError as error:
            if models is not None and len(models) == 1:
                raise
            passed_over[name] = str(error)
    if not found:
        raise SettingsError(
            "None of the models can be used: {reasons}", reasons=" ".join(passed_over.values())
        )
    ranks = mean_ranks({name: one.candidate.promise for name, one in found.items()})
    placed = [
        replace(one, candidate=replace(one.candidate, place=ranks[name]))
        for name, one in found.items()
    ]
    placed.sort(
        key=lambda one: (
            not one.candidate.fits,
            one.candidate.place,
            -one.candidate.promise.probe.value,
        )
    )
    return placed, passed_over


def _named(models: Sequence[str | Path]) -> Iterator[str]:
    """Each model, a folder of models as all that are in it."""
    for name in models:
        folder = Path(name)
        inner = sorted(folder.glob("*/config.json")) if folder.is_dir() else []
        if inner and not (folder / "config.json").is_file():
            yield from (str(config.parent) for config in inner)
        else:
            yield str(name)


def _look_at(name: str, settings: Settings, task: Task[Any, Any], sample: Sample) -> _Looked:
    started = time.monotonic()
    path = find_model(name)
    prepared, chosen = sample.prepared, settings.model
    model = task.start(path, Chosen(name, max_tokens=chosen.max_tokens), prepared)
    device = pick_device(settings.training.device)
    model.network.to(device)
    dtype = pick_precision(settings.training.precision, device)
    # What a probe reads from features is the same in bf16, which takes half the time where it runs.
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        features = sample.features(model)
    promise, said = promise_of(features, sample.asked)
    looked = time.monotonic() - started
    needs = look(_job(model, settings, task, prepared))
    network = model.network
    candidate = Candidate(
        name,
        licence_of(path),
        num_parameters(network),
        sum(p.numel() * p.element_size() for p in network.parameters()),
        needs.peak,
        needs.fits_memory,
        needs.seconds,
        looked,
        promise,
        1.0,
        sample.asked.marks(said),
    )
    return _Looked(candidate, features, said)


def _job(model: Model, settings: Settings, task: Task[Any, Any], prepared: Prepared) -> Job:
    """Fine-tuning it on all the rows, as ``mason train`` would."""
    task.adopt(model, prepared)
    tables = {name: table for name, table in prepared.tables.items() if name != "test"}
    examples = {name: task.examples(model, t, prepared.columns) for name, t in tables.items()}
    train = examples["train"]
    return jobs.fine_tuning(
        task,
        model.network,
        train,
        examples.get("valid"),
        task.recipe(settings, model.network, train),
        settings.output,
        pick_device(settings.training.device),
        fresh=model.fresh,
        recompute=bool(settings.training.recompute),
    )


def _more_rows(
    features: NDArray[np.float32], sample: Sample
) -> tuple[list[tuple[int, float]], list[Forecast]]:
    """The probe's learning curve, and what it says of more rows than there are."""
    curve = learning_curve(sample.asked, over_readings(sample.asked.probe), features)
    seen = [(int(n), float(s)) for n, s in zip(curve.sizes, curve.scores, strict=True)]
    if len(seen) < _FEWEST_SIZES or seen[-1][1] == 1:  # nothing is left to gain on these rows
        return seen, []
    now = sample.num_items
    return seen, forecast(curve, now, [times * now for times in _TIMES])


def _doubts(said: NDArray[np.float64], sample: Sample) -> list[Doubt]:
    if not isinstance(sample.asked, Classes):
        return []
    labels, targets = sample.asked.labels, sample.asked.targets
    return [
        Doubt(
            sample.rows[one.row],
            sample.shown[one.row],
            labels[one.target],
            labels[one.likelier],
            one.probability,
        )
        for one in suspects(targets, said)
    ]
