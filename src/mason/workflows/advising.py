"""Which model for these data, on this machine: looked at, none of them trained."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mason.advice.curves import Forecast, forecast, learning_curve
from mason.advice.features import frozen_features
from mason.advice.licences import licence_of
from mason.advice.probe import linear_probe
from mason.advice.ranking import mean_ranks, promise_of
from mason.advice.short_list import Candidate, Doubt
from mason.advice.short_list import ShortList as ShortList
from mason.data.tables import Table
from mason.errors import DataError, MasonError, SettingsError
from mason.evaluation.baselines import word_probabilities
from mason.language import say
from mason.metrics import out_of_fold, scores, suspects
from mason.models.transformer import num_parameters
from mason.runtime import keep_freed_memory, pick_device, seed_everything
from mason.settings import Settings, load_settings
from mason.sources import find_model
from mason.sources.aliases import ALIASES
from mason.workflows import jobs
from mason.workflows.classifier import Classifier
from mason.workflows.needs import Job, look
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, prepare, texts_of
from mason.workflows.tasks import find_task
from mason.workflows.tasks.classification import Classification, targets_of

Say = Callable[[str], None]
_FEWEST_ROWS, _FEWEST_SIZES = 20, 3
_TIMES = (2, 4)
"""How many times the labels there are the forecast asks about."""


@dataclass(frozen=True)
class _Sample:
    """The rows that are looked at, and what they are part of."""

    prepared: Prepared
    table: Table
    targets: NDArray[np.int64]

    @property
    def texts(self) -> list[str]:
        """What word counts read: the text, and the second one of a pair behind it."""
        columns = self.prepared.columns
        texts = texts_of(self.table, columns.text)
        if columns.pair is None:
            return texts
        seconds = texts_of(self.table, columns.pair)
        return [f"{a} {b}" for a, b in zip(texts, seconds, strict=True)]

    @property
    def num_classes(self) -> int:
        """Of all the data."""
        return len(self.prepared.labels)


@dataclass(frozen=True)
class _Looked:
    """A model's candidacy, its features, and what a probe says of rows it has not seen."""

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
    if not isinstance(task, Classification):
        raise SettingsError(
            "mason advise knows classification, not {task}; leave --task out.", task=task.name
        )
    keep_freed_memory()
    seed_everything(settings.training.seed)
    sample = _sampled(settings, task, rows)
    looked, passed_over = _look_at_all(settings, task, sample, models, notice)
    said = out_of_fold(word_probabilities, sample.texts, sample.targets, sample.num_classes)
    guess = said.argmax(axis=1)
    first = looked[0]
    curve, forecasts = _more_rows(first.features, sample)
    return ShortList(
        sample.prepared.file,
        len(sample.prepared.tables["train"]),
        len(sample.table),
        [one.candidate for one in looked],
        passed_over,
        scores(sample.targets, guess, sample.num_classes).overall["accuracy"],
        (guess == sample.targets).astype(np.float64),
        curve,
        forecasts,
        _doubts(first.said, sample),
    )


def _sampled(settings: Settings, task: Classification, rows: int) -> _Sample:
    prepared = prepare(settings.data, task, seed=settings.training.seed)
    table = prepared.tables["train"]
    if len(table) < _FEWEST_ROWS:
        raise DataError(
            "{file} has {count} rows to learn from; advice needs at least {wanted}.",
            file=prepared.file,
            count=len(table),
            wanted=_FEWEST_ROWS,
        )
    order = np.random.default_rng(settings.training.seed).permutation(len(table))
    table = table.take(sorted(order[: max(rows, _FEWEST_ROWS)].tolist()))
    targets = np.asarray(targets_of(table, prepared.columns, prepared.labels))
    if np.unique(targets).size < 2:
        raise DataError(
            "The {count} rows looked at have one label; look at more, with --rows.",
            count=len(table),
        )
    return _Sample(prepared, table, targets)


def _look_at_all(
    settings: Settings,
    task: Classification,
    sample: _Sample,
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


def _look_at(name: str, settings: Settings, task: Classification, sample: _Sample) -> _Looked:
    started = time.monotonic()
    path = find_model(name)
    prepared, chosen = sample.prepared, settings.model
    model = task.start(path, Chosen(name, max_tokens=chosen.max_tokens), prepared)
    texts = task.examples(model, sample.table, prepared.columns)
    device = pick_device(settings.training.device)
    model.network.to(device)
    features = frozen_features(model.network, texts)
    promise, said = promise_of(features, sample.targets, sample.num_classes)
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
        (said.argmax(axis=1) == sample.targets).astype(np.float64),
    )
    return _Looked(candidate, features, said)


def _job(model: Classifier, settings: Settings, task: Classification, prepared: Prepared) -> Job:
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
        recompute=settings.training.recompute,
    )


def _more_rows(
    features: NDArray[np.float32], sample: _Sample
) -> tuple[list[tuple[int, float]], list[Forecast]]:
    """The probe's learning curve, and what it says of more rows than there are."""
    curve = learning_curve(linear_probe, features, sample.targets)
    seen = [(int(n), float(a)) for n, a in zip(curve.sizes, curve.accuracies, strict=True)]
    if len(seen) < _FEWEST_SIZES or seen[-1][1] == 1:  # nothing is left to gain on these rows
        return seen, []
    now = len(sample.prepared.tables["train"])
    return seen, forecast(curve, now, [times * now for times in _TIMES])


def _doubts(said: NDArray[np.float64], sample: _Sample) -> list[Doubt]:
    labels, table = sample.prepared.labels, sample.table
    texts = texts_of(table, sample.prepared.columns.text)
    return [
        Doubt(
            int(table.rows[one.row]),
            texts[one.row],
            labels[one.target],
            labels[one.likelier],
            one.probability,
        )
        for one in suspects(sample.targets, said)
    ]
