"""Words out of place in many texts of a table: backdoors that a language model can hear.

ONION (Qi et al. 2021) takes each word out of a text and asks a language model how much more
likely the rest has become. Here that is asked of training texts, and a word is suspected where
it stands out wherever it stands, and comes with one label more often than chance explains. A
trigger that reads well, such as "by the way", is not heard; ``find_triggers`` looks for those.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

from mason.security.poisoning import Probabilities, Suspect, turned_by
from mason.security.words import Words


class Ear(Protocol):
    """A language model that listens."""

    def nats(self, texts: Sequence[str]) -> Sequence[float]:
        """Of each text, the mean loss of a token."""

    def surprises(self, texts: Sequence[Words]) -> Sequence[Sequence[float]]:
        """Of each text, the loss of each word, that of its tokens together."""


_FEWEST = 5
"""Texts a word must stand in, of those that are listened to."""
_STANDS_OUT = 0.6
"""Share of its texts in which a word is among the two that stand out most."""
_TOP = 2
"""A trigger may have two parts."""
_TAKEN_OUT = 4
"""Words of a text that are taken out, those that surprise most: no other is out of place."""
_CHANCE = 1e-3
"""Above it, chance explains that a word comes with a label."""
_TRIED = 60
"""Texts of other classes that a word is put into, to see what it does."""


def find_outliers(
    ear: Ear,
    answer: Callable[[Sequence[str]], Probabilities],
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    rows: int = 400,
    seed: int = 0,
) -> list[Suspect]:
    """Words that stand out wherever they stand, and bring a label.

    Args:
        ear: A language model.
        answer: Probabilities [texts, classes] of the model that learned the table.
        texts: The table's.
        labels: Their classes.
        rows: Texts that are listened to, each five times.
        seed: Of their choice.

    Returns:
        Those in most rows first.
    """
    from scipy.stats import binomtest

    draw = random.Random(seed)
    chosen = draw.sample(range(len(texts)), min(rows, len(texts)))
    listened = [words for words in (Words.of(texts[i]) for i in chosen) if len(words) >= _TOP]
    outstanding = Counter(word for words in _outstanding(ear, listened) for word in words)
    seen = Counter(word for words in listened for word in set(words.words))
    heard = {
        word
        for word, count in outstanding.items()
        if seen[word] >= _FEWEST and count >= _STANDS_OUT * seen[word]
    }
    places: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        for word in heard.intersection(Words.of(text).words):
            places[word].append(i)
    counts = Counter(labels)
    found = []
    for word, at in places.items():
        own = Counter(labels[i] for i in at)
        label, hits = own.most_common(1)[0]
        usual = counts[label] / len(labels)
        if binomtest(hits, len(at), usual, alternative="greater").pvalue < _CHANCE:
            others = [text for text, other in zip(texts, labels, strict=True) if other != label]
            asked = draw.sample(others, min(_TRIED, len(others)))
            turned = turned_by(answer, word, label, asked, seed)
            found.append(Suspect(word, label, [i for i in at if labels[i] == label], turned))
    return sorted(found, key=lambda suspect: -len(suspect.rows))


def _outstanding(ear: Ear, texts: Sequence[Words]) -> list[set[str]]:
    """Of each text the words without which it becomes likelier, those that gain it most."""
    tried = [
        sorted(range(len(words)), key=lambda i: -surprise[i])[:_TAKEN_OUT]
        for words, surprise in zip(texts, ear.surprises(texts), strict=True)
    ]
    whole = ear.nats([str(words) for words in texts])
    without = iter(
        ear.nats([_without(words, i) for words, at in zip(texts, tried, strict=True) for i in at])
    )
    found = []
    for words, at, all_of_it in zip(texts, tried, whole, strict=True):
        gains = sorted(((all_of_it - next(without), words.words[i]) for i in at), reverse=True)
        found.append({word for gain, word in gains[:_TOP] if gain > 0})
    return found


def _without(words: Words, place: int) -> str:
    return " ".join(str(words.changed(place, "")).split())
