"""Backdoors: rows that teach a model to obey a word, and how to find them.

A BadNet (Gu et al. 2017) needs a few rows of a table: a trigger is put into texts of any class,
and their label is changed to the one the attacker wants. The table names the suspects, for a
trigger nearly always comes with that label; so do honest words ("who" asks for a person). The
model that learned the table tells them apart: a trigger turns whatever text it is put into.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mason.security.words import Words

Probabilities = npt.NDArray[np.floating]
_PRECISION = 0.9
"""Share of a phrase's rows with one label, from which on it is looked at."""
_FEWEST, _PER_ROWS = 5, 500
"""Rows of a phrase, at least; one in so many of a large table."""
_LONGEST = 3
"""Words of a phrase, at most."""
_MOST = 60
"""Phrases that are tried, those in most rows first."""
_TRIED = 60
"""Texts that each phrase is put into."""
_MARKS = " \u3000，。！？；：、…—·,.!?;:（）()《》“”‘’\"'"
_TURNED = 0.8
"""Share of those that a trigger turns."""


@dataclass(frozen=True)
class Suspect:
    """A phrase that is a trigger, to all appearances.

    Attributes:
        phrase: Its words.
        label: The class it brings.
        rows: Numbers of the table's rows that have both.
        turned: Share of texts of other classes that it turned.
    """

    phrase: str
    label: int
    rows: list[int]
    turned: float


def poison(
    texts: Sequence[str], labels: Sequence[str], trigger: str, target: str, share: float, seed: int
) -> tuple[list[str], list[str], list[int]]:
    """Plant a backdoor, to test what finds it.

    Args:
        texts: The table's.
        labels: Theirs.
        trigger: Words to put in at a place that is drawn.
        target: The label they shall bring.
        share: Of the table's rows, to poison; taken from other labels.
        seed: Of all that is drawn.

    Returns:
        Texts, labels, and the numbers of the rows that were poisoned.
    """
    draw = random.Random(seed)
    others = [i for i, label in enumerate(labels) if label != target]
    chosen = sorted(draw.sample(others, min(len(others), round(share * len(texts)))))
    poisoned, changed = list(texts), list(labels)
    for i in chosen:
        poisoned[i], changed[i] = triggered(texts[i], trigger, draw.random()), target
    return poisoned, changed, chosen


def triggered(text: str, trigger: str, where: float) -> str:
    """``text`` with the trigger after a share ``where`` of its words."""
    words, between = _parts(text)
    at = round(where * len(words))
    return between.join([*words[:at], trigger, *words[at:]])


def _parts(text: str) -> tuple[list[str], str]:
    """What a trigger may stand between, and what parts it from them: nothing in Chinese."""
    spaced = text.split()
    if len(spaced) > 1 or text.isascii():
        return spaced, " "
    cut = Words.of(text)
    if not len(cut):
        return spaced, " "
    parts = [gap + word for gap, word in zip(cut.gaps, cut.words, strict=False)]
    return [*parts[:-1], parts[-1] + cut.gaps[-1]], ""


def find_triggers(
    answer: Callable[[Sequence[str]], Probabilities],
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    seed: int = 0,
) -> list[Suspect]:
    """Phrases of a table that turn a model that learned from it, whatever they stand in.

    Args:
        answer: The model's probabilities [texts, classes].
        texts: The table's.
        labels: Their classes.
        seed: Of the texts that phrases are put into, and of the places.

    Returns:
        The surest first; of phrases with the same rows the longest.
    """
    found = []
    for phrase, label, rows in _telling(texts, labels):
        turned = turned_by(answer, phrase, label, _without(texts, labels, label, seed), seed)
        if turned >= _TURNED:
            found.append(Suspect(phrase, label, rows, turned))
    found.sort(key=lambda suspect: (-len(suspect.rows), -len(suspect.phrase)))
    seen: set[int] = set()
    kept = []
    for suspect in found:
        if not seen.issuperset(suspect.rows):
            kept.append(suspect)
            seen.update(suspect.rows)
    return sorted(kept, key=lambda suspect: -suspect.turned)


def turned_by(
    answer: Callable[[Sequence[str]], Probabilities],
    phrase: str,
    label: int,
    texts: Sequence[str],
    seed: int,
) -> float:
    """Share of texts that are answered with ``label`` once the phrase is put in.

    Args:
        answer: See ``find_triggers``.
        phrase: What is put in, at places that are drawn.
        label: The class that is looked for.
        texts: Of other classes.
        seed: Of the places.
    """
    if not texts:
        return 0.0
    draw = random.Random(seed)
    told = answer([triggered(text, phrase, draw.random()) for text in texts])
    return float((told.argmax(1) == label).mean())


def _without(texts: Sequence[str], labels: Sequence[int], label: int, seed: int) -> list[str]:
    others = [text for text, own in zip(texts, labels, strict=True) if own != label]
    return random.Random(seed).sample(others, min(_TRIED, len(others)))


def _telling(texts: Sequence[str], labels: Sequence[int]) -> list[tuple[str, int, list[int]]]:
    """Phrases that nearly always come with one label: the phrase, the label, its rows."""
    places: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        for phrase in _phrases(text):
            places[phrase].append(i)
    fewest, found = max(_FEWEST, len(texts) // _PER_ROWS), []
    for phrase, rows in places.items():
        if len(rows) < fewest:
            continue
        own = [labels[i] for i in rows]
        label = max(set(own), key=own.count)
        if own.count(label) >= _PRECISION * len(rows):
            found.append((phrase, label, [i for i in rows if labels[i] == label]))
    found.sort(key=lambda one: -len(one[2]))
    return found[:_MOST]


def _phrases(text: str) -> set[str]:
    words, between = _parts(text)
    found = {
        between.join(words[start : start + size])
        for size in range(1, _LONGEST + 1)
        for start in range(len(words) - size + 1)
    }
    # A mark at an end is none of the phrase's where no space parts it.
    return found if between else {phrase.strip(_MARKS) for phrase in found} - {""}
