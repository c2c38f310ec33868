"""Each task as a prompt has it: one example as text, and what answers written so come to."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mason.data.columns import Columns
from mason.data.label_sets import label_names, label_sets
from mason.data.tables import Table
from mason.data.tagged import sentences_of
from mason.evaluation.multilabel import judge_sets
from mason.evaluation.tagging import judge_tags, named
from mason.metrics.answers import answer_scores
from mason.metrics.regression import regression_scores
from mason.tasks.tagging import spelled
from mason.workflows.preparing import texts_of
from mason.workflows.tasks.answering import asked_questions
from mason.workflows.tasks.regression import numbers_of
from mason.workflows.tasks.task import Task
from mason.workflows.tasks.text_to_text import TextTask

UNANSWERABLE, NOTHING = "unanswerable", "none"
"""The answer to a question that the text does not answer, and of a text without labels."""
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_SEPARATOR = ", "


class Row(NamedTuple):
    """An example."""

    text: str
    pair: str
    label: str


class Told(NamedTuple):
    """What was written of the rows of a table, and the table it was learned from."""

    task: Task[Any, Any]
    columns: Columns
    known: Table
    asked: Table
    written: Sequence[str]


Scores = Mapping[str, Any]


class Form(NamedTuple):
    """How a task is asked for.

    Attributes:
        template: One example; ``{label}`` is what is right.
        rows: The parts of it, of each row of a table.
        scores: Of what is written; None: of labels, one of which is chosen.
    """

    template: str
    rows: Callable[[Table, Columns], list[Row]]
    scores: Callable[[Told], Scores] | None


def _texts(table: Table, columns: Columns) -> list[Row]:
    names = (columns.text, columns.pair, columns.label or columns.target or columns.answer)
    found = [texts_of(table, name) if name else [""] * len(table) for name in names]
    return [Row(*parts) for parts in zip(*found, strict=True)]


def _labelled(labels: Sequence[str], table: Table, columns: Columns) -> list[Row]:
    """The texts, with other labels than their column's."""
    rows = _texts(table, columns)
    return [row._replace(label=label) for row, label in zip(rows, labels, strict=True)]


def _written(told: Told) -> Scores:
    assert isinstance(told.task, TextTask), "it writes"
    measure = told.task.measures(told.asked, told.columns)
    right = [row.label for row in _texts(told.asked, told.columns)]
    scores: Scores = measure(told.written, right).overall
    return scores


def _questions(table: Table, columns: Columns) -> list[Row]:
    questions = asked_questions(table, columns)
    return [Row(q.context, q.question, next(iter(q.texts), UNANSWERABLE)) for q in questions]


def _answers(told: Told) -> Scores:
    questions = asked_questions(told.asked, told.columns)
    answers = ["" if text == UNANSWERABLE else text for text in told.written]
    groups = [question.context for question in questions]
    return answer_scores(answers, [q.texts for q in questions], groups=groups).overall


def _numbers(table: Table, columns: Columns) -> list[Row]:
    assert columns.answer is not None, "examples have numbers"
    return _labelled([f"{n:g}" for n in numbers_of(table, columns.answer)], table, columns)


def _distances(told: Told) -> Scores:
    """Where no number is written, the mean of those that are known stands for it."""
    assert told.columns.answer is not None, "examples have numbers"
    usual = float(np.mean(numbers_of(told.known, told.columns.answer)))
    found = [_number(text, usual) for text in told.written]
    return regression_scores(numbers_of(told.asked, told.columns.answer), found).overall


def _number(text: str, usual: float) -> float:
    written = _NUMBER.search(text)
    number = float(written[0].replace(",", ".")) if written else usual
    return number if math.isfinite(number) else usual


def _sets(table: Table, columns: Columns) -> list[Row]:
    labels = [_SEPARATOR.join(found) or NOTHING for found in label_sets(table, columns)]
    return _labelled(labels, table, columns)


def _of_sets(told: Told) -> Scores:
    """Labels that nobody knows do not count as written."""
    sets = [label_sets(table, told.columns) for table in (told.known, told.asked)]
    names = label_names([one for some in sets for one in some], told.columns)
    numbers = {name.casefold(): i for i, name in enumerate(names)}
    right, said = (np.zeros((len(told.asked), len(names))) for _ in range(2))
    for row, (labels, text) in enumerate(zip(sets[1], told.written, strict=True)):
        right[row, [numbers[label.casefold()] for label in labels]] = 1
        parts = (part.strip().casefold() for part in text.split(_SEPARATOR.strip()))
        said[row, [numbers[part] for part in parts if part in numbers]] = 1
    return judge_sets(right, said, 0.5).scores.overall


def _tagged(table: Table, columns: Columns) -> list[Row]:
    """Each word with its tag behind a slash, as the Brown corpus is written."""
    rows = []
    for sentence in sentences_of(table, columns):
        pairs = zip(sentence.words, sentence.tags or (), strict=False)
        tagged = " ".join(f"{word}/{tag}" for word, tag in pairs)
        rows.append(Row(spelled(sentence.words)[0], "", tagged))
    return rows


def _of_tags(told: Told) -> Scores:
    """Words are found again in order; one that is not written has the commonest tag."""
    known, asked = (sentences_of(table, told.columns) for table in (told.known, told.asked))
    counts = Counter(tag for sentence in known for tag in sentence.tags or ())
    (usual, _), *_ = counts.most_common(1)
    words = [sentence.words for sentence in asked]
    found = [_tags(text, some, usual) for text, some in zip(told.written, words, strict=True)]
    return named(judge_tags(words, [s.tags or [] for s in asked], found).scores)


def _tags(text: str, words: Sequence[str], usual: str) -> list[tuple[str, float]]:
    parts, at, tags = [part.rpartition("/") for part in text.split()], 0, []
    for word in words:
        place = next((i for i in range(at, len(parts)) if parts[i][0] == word), None)
        tags.append((usual if place is None else parts[place][2], 1.0))
        at = at if place is None else place + 1
    return tags


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "classification": Form("Text: {text}\nLabel: {label}", _texts, None),
        "multilabel": Form("Text: {text}\nLabels: {label}", _sets, _of_sets),
        "regression": Form("Text: {text}\nNumber: {label}", _numbers, _distances),
        "tagging": Form("Text: {text}\nTags: {label}", _tagged, _of_tags),
        "answering": Form("Text: {text}\nQuestion: {pair}\nAnswer: {label}", _questions, _answers),
        "translation": Form("Text: {text}\nTranslation: {label}", _texts, _written),
        "summarisation": Form("Text: {text}\nSummary: {label}", _texts, _written),
        "completion": Form("Text: {text}\nGoes on: {label}", _texts, _written),
        "code-translation": Form("Before:\n{text}\nAfter:\n{label}", _texts, _written),
        "code-completion": Form("Program:\n{text}\nGoes on:\n{label}", _texts, _written),
    }
)
"""The tasks that can be asked for so."""
