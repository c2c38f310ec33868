"""The rows, or the words of rows, that models are advised on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Asked, Classes, LabelSets, Numbers
from mason.advice.features import frozen_features, frozen_word_features
from mason.advice.probe import commonest_labels
from mason.advice.short_list import Items
from mason.data.label_sets import label_names, label_sets
from mason.data.tables import Table
from mason.data.tagged import sentences_of
from mason.errors import DataError
from mason.evaluation.baselines import word_numbers, word_probabilities
from mason.evaluation.multilabel import word_sets
from mason.metrics.folds import Fit
from mason.settings import Settings
from mason.tasks.texts import OfTexts
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared, prepare
from mason.workflows.tagger import Tagger
from mason.workflows.tasks import Task
from mason.workflows.tasks.classification import Classification, targets_of
from mason.workflows.tasks.multilabel import MultiLabel
from mason.workflows.tasks.readers import sides
from mason.workflows.tasks.regression import Regression, numbers_of
from mason.workflows.tasks.tagging import Tagging

KNOWN = (Classification, Tagging, Regression, MultiLabel)
"""Tasks that there is advice for."""

_FEWEST_ROWS = 20
_MOST_WORDS = 3000
_FEWEST_SENTENCES = 5
"""However long they are: so many parts are held out in turn."""
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """What is looked at, and what it is part of.

    Attributes:
        prepared: All the data.
        table: The rows that are looked at.
        items: Whether their texts or their words have labels.
        num_items: How many of them there are to learn from in all.
        asked: What each item is asked for, and the right answer.
        texts: What a model without a language reads of each item.
        simple: That model.
        shown: What a person reads of each item.
        rows: The row of each item, as its file counts.
        features: Of a model that has not been trained, [items, readings, width].
    """

    prepared: Prepared
    table: Table
    items: Items
    num_items: int
    asked: Asked
    texts: list[str]
    simple: Fit
    shown: list[str]
    rows: list[int]
    features: Callable[[Any], Features]


def sampled(settings: Settings, task: Task[Any, Any], rows: int) -> Sample:
    """Some training rows of a table that a task reads.

    Raises:
        DataError: The data cannot be read, or tell too little.
    """
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
    sample = (_of_words if isinstance(task, Tagging) else _of_texts)(prepared, table, task)
    if sample.asked.is_level:
        raise DataError(
            "The {count} rows looked at have one label; look at more, with --rows.",
            count=len(table),
        )
    return sample


def _of_texts(prepared: Prepared, table: Table, task: Task[Any, Any]) -> Sample:
    """Texts, or pairs of texts, with a label, a number or any labels each."""
    columns = prepared.columns
    firsts, seconds = sides(table, columns)
    texts = firsts
    if seconds is not None:
        texts = [f"{a} {b}" for a, b in zip(firsts, seconds, strict=True)]
    asked, simple = _asked(prepared, table, task)

    def features(model: Model) -> Features:
        examples = task.examples(model, table, columns)
        read = examples.texts if isinstance(examples, OfTexts) else examples
        return frozen_features(model.network, read)

    return Sample(
        prepared,
        table,
        "rows",
        len(prepared.tables["train"]),
        asked,
        texts,
        simple,
        firsts,
        [int(row) for row in table.rows],
        features,
    )


def _asked(prepared: Prepared, table: Table, task: Task[Any, Any]) -> tuple[Asked, Fit]:
    """What a task asks of texts, and what needs no model for it."""
    columns = prepared.columns
    if isinstance(task, Regression):
        assert columns.answer is not None, "training data have numbers"
        return Numbers(np.asarray(numbers_of(table, columns.answer))), word_numbers
    if isinstance(task, MultiLabel):
        sets = label_sets(table, columns)
        names = label_names(sets, columns)
        flags = [[name in labels for name in names] for labels in sets]
        return LabelSets(np.asarray(flags, np.bool_).reshape(len(sets), len(names))), word_sets
    targets = targets_of(table, columns, prepared.labels)
    return Classes(np.asarray(targets), prepared.labels), word_probabilities


def _of_words(prepared: Prepared, table: Table, task: Task[Any, Any]) -> Sample:
    """Words with a tag each, as many whole sentences as hold not too many.

    What a word's vector tells of its neighbours must not be learned from them: a sentence is held
    out whole.
    """
    columns = prepared.columns
    every = sentences_of(prepared.tables["train"], columns)
    labels = tuple(sorted({tag for sentence in every for tag in sentence.tags or ()}))
    sentences = sentences_of(table, columns)
    counts = np.cumsum([len(sentence.words) for sentence in sentences])
    kept = max(_FEWEST_SENTENCES, int((counts <= _MOST_WORDS).sum()))
    table, sentences = table.take(list(range(kept))), sentences[:kept]
    numbers = {tag: i for i, tag in enumerate(labels)}
    words = [(row, s, word) for row, s in enumerate(sentences) for word in s.words]
    targets = np.asarray([numbers[tag] for s in sentences for tag in s.tags or ()])

    def features(model: Tagger) -> Features:
        return frozen_word_features(model.network, model.encode([s.words for s in sentences]))

    return Sample(
        prepared,
        table,
        "words",
        sum(len(sentence.words) for sentence in every),
        Classes(targets, labels, groups=[row for row, _, _ in words]),
        [word.lower() for _, _, word in words],
        commonest_labels,
        [f"{word} ({' '.join(s.words)})" for _, s, word in words],
        [int(table.rows[row]) for row, _, _ in words],
        features,
    )
