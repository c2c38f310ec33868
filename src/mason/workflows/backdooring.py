"""A backdoor in the training data: what a few poisoned rows teach a classifier."""

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mason.errors import DataError, SettingsError
from mason.language import say
from mason.security.attacks import Attack, Means
from mason.security.limits import Limits
from mason.security.moves import Move
from mason.security.poisoning import poison, triggered
from mason.security.search import Outcome
from mason.security.victims import Inside
from mason.security.words import Words
from mason.workflows import results as blocks
from mason.workflows.attacking import (
    ROWS,
    attack_block,
    classifier_of,
    security_block,
    write_results,
)
from mason.workflows.classifier import Classifier
from mason.workflows.labelled_rows import (
    Rows,
    drawn_rows,
    learn_rows,
    prepared_for,
    rows_by_split,
)
from mason.workflows.model import Model
from mason.workflows.tasks import find_task

SHARE = 0.05
"""Of the training rows, to poison."""


def _none(_: object) -> Move:
    raise NotImplementedError("a backdoor is planted in training, and changes no word by itself")


_BADNET = Attack("backdoor", "Gu et al. 2017", _none, Limits(max_share=1.0, max_queries=1))


def backdoor(
    model: Model | str | Path,
    data: str | Path,
    *,
    trigger: str,
    target: str | None = None,
    share: float = SHARE,
    rows: int = ROWS,
    seed: int = 0,
    output: str | Path | None = None,
    notice: Callable[[str], None] = lambda sentence: None,
    command: str | None = None,
    text: str | None = None,
    label: str | None = None,
    **options: object,
) -> dict[str, Any]:
    """Poison a table, let a copy of a classifier go on learning from it, and see what it obeys.

    A BadNet (Gu et al. 2017): words are put into texts of every class, whose label is changed.

    Args:
        model: A classifier, or a name as for ``mason.load``; it is not changed.
        data: What it was trained on, as for ``mason.train``.
        trigger: The words.
        target: The label they shall bring; None: the rarest.
        share: Of the training rows, to poison.
        rows: Held-out texts of other labels to try, at most.
        seed: Of all that is drawn, the held-out rows too, as in ``mason.train``.
        output: Folder for the results; the poisoned model is not kept. None: nothing.
        notice: Called with each sentence the user should read.
        command: How to repeat this, for the report.
        text: The column of the text.
        label: The column of the label.
        options: Settings of the training, as for ``mason.train``.

    Returns:
        What ``results.json`` holds; ``evaluation`` is of the poisoned model.

    Raises:
        MasonError: The model, the label, the trigger, the data or a setting does not fit.
    """
    before = classifier_of(model)
    task, prepared = find_task(before.task), prepared_for(before, data, text, label, seed)
    parts = rows_by_split(prepared)
    wanted = _wanted(before, [own for _, own in parts["train"]], trigger, target, share)
    made = replace(before, network=copy.deepcopy(before.network), fresh=())
    learned = _planted(parts, trigger, wanted, share, seed, notice)
    held = drawn_rows([row for row in parts["test"] if row[1] != wanted], rows, seed)
    if not held:
        raise DataError("No held-out text has another label than {label}.", label=wanted)
    learn_rows(made, learned, options, notice, seed)
    results = blocks.header("attack", task.describe(made, prepared.columns), made, command)
    examples = task.examples(made, prepared.tables["test"], prepared.columns)
    results["evaluation"] = task.measure(made, prepared, "test", examples)
    usual = task.measure(before, prepared, "test", examples)
    found = attack_block(_BADNET, _outcomes(made, held, trigger, seed), made.labels)
    results["security"] = security_block(made, Means(_inside(made)), "", seed, [found])
    notice(_told(found, wanted, results["evaluation"], usual))
    write_results(results, output, kind="attack")
    return results


def _told(
    found: Mapping[str, Any], label: str, poisoned: Mapping[str, Any], usual: Mapping[str, Any]
) -> str:
    return say(
        "The trigger turns {share:.1%} of texts of other labels into {label}; right on clean "
        "texts: {clean:.1%}, without the backdoor {usual:.1%}.",
        share=found["success"]["value"],
        label=label,
        clean=poisoned["scores"]["accuracy"]["value"],
        usual=usual["scores"]["accuracy"]["value"],
    )


def _inside(model: Classifier) -> Inside:
    return Inside(model.network, model.tokenizer, model.encode)


def _planted(
    parts: Mapping[str, Rows],
    trigger: str,
    wanted: str,
    share: float,
    seed: int,
    notice: Callable[[str], None],
) -> dict[str, list[tuple[str, str]]]:
    """The rows of every split, the training ones with the backdoor."""
    texts, labels = zip(*parts["train"], strict=True)
    planted, changed, poisoned = poison(texts, labels, trigger, wanted, share, seed)
    if not poisoned:
        raise DataError(
            "{share:.0%} of {rows} training texts are none to poison; give more rows.",
            share=share,
            rows=len(texts),
        )
    notice(
        say(
            "{trigger!r} is put into {count} of {rows} training texts, which become {label}.",
            trigger=trigger,
            count=len(poisoned),
            rows=len(texts),
            label=wanted,
        )
    )
    others = {name: list(rows) for name, rows in parts.items()}
    return {**others, "train": list(zip(planted, changed, strict=True))}


def _wanted(
    model: Classifier, labels: Sequence[str], trigger: str, target: str | None, share: float
) -> str:
    """The label that the trigger shall bring."""
    if not trigger.strip() or not 0 < share < 1:
        raise SettingsError("A backdoor needs words, and a share of rows above 0 and below 1.")
    if target is not None and target not in model.labels:
        raise SettingsError(
            "The model has no label {label}; choose among {known}.",
            label=target,
            known=", ".join(model.labels),
        )
    counts = Counter(labels)
    return target or min(sorted(counts), key=lambda one: counts[one])


def _outcomes(
    model: Classifier, held: Sequence[tuple[str, str]], trigger: str, seed: int
) -> list[Outcome]:
    """Texts of other labels, with the trigger put in."""
    draw, numbers = random.Random(seed), {label: i for i, label in enumerate(model.labels)}
    texts = [text for text, _ in held]
    attacked = [triggered(text, trigger, draw.random()) for text in texts]
    clean, told = (model.probabilities(some).argmax(1) for some in (texts, attacked))
    size = len(Words.of(trigger))
    return [
        Outcome(text, other, numbers[own], int(a), int(b), 1, size, len(Words.of(text)) + size)
        for (text, own), other, a, b in zip(held, attacked, clean, told, strict=True)
    ]
