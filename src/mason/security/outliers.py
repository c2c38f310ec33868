"""Words out of place in many texts of a table: backdoors that a language model can hear.

ONION (Qi et al. 2021) takes each word out of a text and asks a language model how much more
likely the rest has become. Here that is asked of training texts, and a word is suspected where
it stands out wherever it stands, and comes with one label more often than chance explains. A
trigger that reads well, such as "by the way", is not heard; ``find_triggers`` looks for those.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from scipy.stats import binomtest

from mason.security.poisoning import Probabilities, Suspect, turned_by
from mason.security.words import Words

Nats = Callable[[Sequence[str]], Sequence[float]]
"""Of each text, the mean loss of a token by a language model."""

_FEWEST = 5
"""Texts a word must stand in, of those that are listened to."""
_STANDS_OUT = 0.6
"""Share of its texts in which a word is among the two that stand out most."""
_TOP = 2
"""A trigger may have two parts."""
_CHANCE = 1e-3
"""Above it, chance explains that a word comes with a label."""
_TRIED = 60
"""Texts of other classes that a word is put into, to see what it does."""


def find_outliers(
    nats: Nats,
    answer: Callable[[Sequence[str]], Probabilities],
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    rows: int = 400,
    seed: int = 0,
) -> list[Suspect]:
    """Words that stand out wherever they stand, and bring a label.

    Args:
        nats: A language model's.
        answer: Probabilities [texts, classes] of the model that learned the table.
        texts: The table's.
        labels: Their classes.
        rows: Texts that are listened to; each is read once more than it has words.
        seed: Of their choice.

    Returns:
        Those in most rows first.
    """
    draw = random.Random(seed)
    chosen = draw.sample(range(len(texts)), min(rows, len(texts)))
    cut = {i: Words.of(texts[i]) for i in chosen}
    outstanding = Counter(word for i in chosen for word in _outstanding(nats, cut[i]))
    seen = Counter(word for i in chosen for word in set(cut[i].words))
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


def _outstanding(nats: Nats, words: Words) -> list[str]:
    """The words without which the text becomes likelier, those that gain most."""
    if len(words) < _TOP:
        return []
    without = [" ".join(str(words.changed(i, "")).split()) for i in range(len(words))]
    whole, *left = nats([str(words), *without])
    gains = sorted(((whole - one, words.words[i]) for i, one in enumerate(left)), reverse=True)
    return list({word for gain, word in gains[:_TOP] if gain > 0})
