"""Words that give the label away.

A note is natural: nearly every question with "who" asks for a person. A word that covers
nearly all of a label and hardly anything else, or that is the label's own name, is more often
left over from how the rows were collected.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

from mason.data.findings import Finding, shorten
from mason.data.normal_form import normal_form
from mason.data.order import order
from mason.data.views import View
from mason.language import say

PRECISION = 0.95
"""The share of a word's rows with the label, above which the word predicts it."""
COVERAGE = 0.2
"""The share of a label's rows that a word must be in to be worth a note."""
MIN_ROWS = 20
SUSPICIOUS_COVERAGE = 0.95
"""Natural words reach 0.89 ("how many" among TREC's questions for a count)."""
MAX_ROWS = 20_000
"""How many rows are looked at; of more, a random part is."""

_CJK = "\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORDS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+|[^\w\s]+")
_NUM_NAMED = 5
_EVIDENCE = math.log(1e6)  # chance does it for one word in a million


def check_token_leaks(view: View) -> Iterator[Finding]:
    """Words, and Chinese characters and pairs of them, that predict one label."""
    places = [i for i, label in enumerate(view.labels) if label and view.keys[i]]
    if len(places) > MAX_ROWS:
        places = [places[i] for i in order(len(places), seed=0, epoch=0)[:MAX_ROWS]]
    sizes = Counter(view.labels[i] for i in places)
    if len(sizes) < 2:
        return
    by_label: dict[str | None, Counter[str]] = {label: Counter() for label in sizes}
    for place in places:
        by_label[view.labels[place]].update(_words(view.keys[place]))
    everywhere: Counter[str] = Counter()
    for counts in by_label.values():
        everywhere.update(counts)
    for label, counts in by_label.items():
        words = [
            (-hits / sizes[label], word)
            for word, hits in counts.items()
            if hits >= max(MIN_ROWS, COVERAGE * sizes[label])
            and _is_telling(hits, everywhere[word], sizes[label] / len(places))
        ]
        if words:
            yield _finding(view, label or "", sorted(words))


def _is_telling(hits: int, total: int, share: float) -> bool:
    """Whether a word in ``total`` rows, ``hits`` of them with the label, predicts the label.

    ``share`` is the label's share of all rows. Where it is large, nearly every word is nearly
    always in the label's rows: the rest must be five times rarer than elsewhere, and too rare
    for chance (the likelihood ratio).
    """
    precision = hits / total
    if precision <= max(PRECISION, 1 - (1 - share) / 5):
        return False
    evidence = hits * math.log(precision / share)
    if hits < total:
        evidence += (total - hits) * math.log((1 - precision) / (1 - share))
    return evidence > _EVIDENCE


def _words(text: str) -> set[str]:
    words = set()
    for word in _WORDS.findall(text):
        if "\u3041" <= word[0] <= "\u9fff" or "\uac00" <= word[0] <= "\ud7af":
            words.update(word)
            words.update(word[i : i + 2] for i in range(len(word) - 1))
        else:
            words.add(word)
    return words


def _finding(view: View, label: str, words: list[tuple[float, str]]) -> Finding:
    """``words`` are pairs of minus the share of the label's rows they are in, and the word."""
    coverage, word = -words[0][0], words[0][1]
    is_name = any(w == normal_form(label) for _, w in words)
    places = [
        i for i, key in enumerate(view.keys) if view.labels[i] == label and word in _words(key)
    ]
    return view.finding(
        "telling-word",
        "warning" if is_name or coverage >= SUSPICIOUS_COVERAGE else "note",
        places,
        reason=say(
            "Nearly every row with {word} has the label {label}, and {percent:.0f}% of that "
            "label's rows have it (words like this: {words}).",
            word=repr(word),
            label=shorten(label),
            percent=100 * coverage,
            words=", ".join(w for _, w in words[:_NUM_NAMED]),
        ),
        fix=say(
            "If such a word was put in when the data was made, delete it; if people write so, "
            "leave it."
        ),
    )
