"""Entities in tagged sentences, and how well they are found: the figures of seqeval.

Tags are "O" or a prefix and a type, as in ``B-PER``. The default way to read them forgives what
the schemes forbid (an ``I-`` that nothing began), as the CoNLL script and seqeval do; the strict
ones take only what the scheme writes. BMES and BILOU are BIOES with other letters.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mason.errors import DataError
from mason.metrics.classification import Estimate, estimate

Tags = Sequence[str]
Scheme = Literal["default", "iob2", "bioes"]
_READ_AS = dict(zip("BIESMLU", "BIESIES", strict=True))
"""The prefixes of BIOES, and those of BMES and BILOU as these."""


class Entity(NamedTuple):
    """Type, first word and last word + 1."""

    kind: str
    start: int
    end: int


def name_entities(tags: Tags, scheme: Scheme = "default") -> list[Entity]:
    """The entities that the tags of one sentence spell."""
    return list(_READERS[scheme]([_parted(tag) for tag in tags]))


def is_of_entities(tags: Sequence[str]) -> bool:
    """Whether tags are those of entities: "O" or a prefix with a type, at least one of these."""
    typed = [tag for tag in tags if tag != "O"]
    return bool(typed) and all(tag[:1] in _READ_AS and tag[1:2] == "-" for tag in typed)


def scheme_of(tags: Sequence[str]) -> Scheme:
    """The strict scheme whose prefixes these are."""
    return "bioes" if {_parted(tag)[0] for tag in tags} & {"E", "S"} else "iob2"


def _parted(tag: str) -> tuple[str, str]:
    """Prefix, as BIOES has it, and type; a tag without a type has the type ``_``."""
    return _READ_AS.get(tag[:1], tag[:1]), tag[1:].split("-", 1)[-1] or "_"


def _forgiving(tags: Sequence[tuple[str, str]]) -> Iterator[Entity]:
    start, before, kind = 0, "O", ""
    for place, (prefix, now) in enumerate([*tags, ("O", "_")]):
        changed = now != kind
        if (
            before in "ES"
            or (before in "BI" and prefix in "BSO")
            or (before not in "O." and changed)
        ):
            yield Entity(kind, start, place)
        if (
            prefix in "BS"
            or (prefix in "EI" and before in "ESO")
            or (prefix not in "O." and changed)
        ):
            start = place
        before, kind = prefix, now


def _strict_iob2(tags: Sequence[tuple[str, str]]) -> Iterator[Entity]:
    """B, then any number of I of its type."""
    place = 0
    while place < len(tags):
        prefix, kind = tags[place]
        end = place + 1
        while prefix == "B" and end < len(tags) and tags[end] == ("I", kind):
            end += 1
        if prefix == "B":
            yield Entity(kind, place, end)
        place = end


def _strict_bioes(tags: Sequence[tuple[str, str]]) -> Iterator[Entity]:
    """S alone; or B, any number of I and an E, all of one type."""
    place = 0
    while place < len(tags):
        prefix, kind = tags[place]
        end = place + 1
        if prefix == "S":
            yield Entity(kind, place, end)
        while prefix == "B" and end < len(tags) and tags[end] == ("I", kind):
            end += 1
        if prefix == "B" and end < len(tags) and tags[end] == ("E", kind):
            end += 1
            yield Entity(kind, place, end)
        place = end


_READERS: dict[Scheme, Callable[[Sequence[tuple[str, str]]], Iterator[Entity]]] = {
    "default": _forgiving,
    "iob2": _strict_iob2,
    "bioes": _strict_bioes,
}


@dataclass(frozen=True)
class KindScores:
    """How well the entities of one type, or the words of one tag, are found.

    ``low`` and ``high`` bound F1.
    """

    precision: float
    recall: float
    f1: float
    low: float
    high: float
    support: int


@dataclass(frozen=True)
class TagScores:
    """Everything said of tagged sentences.

    Attributes:
        sentences: How many.
        words: Of all of them.
        confidence: Coverage of every interval; sentences are drawn.
        overall: ``accuracy`` of words, and with entities ``entity_precision``,
            ``entity_recall`` and ``entity_f1`` (each entity counts once: seqeval's micro
            average).
        per_kind: By entity type, or by tag where the tags name no entities.
    """

    sentences: int
    words: int
    confidence: float
    overall: dict[str, Estimate]
    per_kind: dict[str, KindScores]


def tag_scores(
    targets: Sequence[Tags],
    predictions: Sequence[Tags],
    *,
    scheme: Scheme | None = "default",
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2000,
) -> TagScores:
    """Score predicted tags beside the right ones, sentence by sentence.

    Args:
        targets: Right tags of each sentence.
        predictions: Predicted ones, as many.
        scheme: How entities are read; None: the tags name none.
        confidence: Coverage of the intervals.
        seed: Of the resampling.
        num_resamples: Bootstrap resamples of sentences.

    Raises:
        DataError: There are no words.
    """
    pairs = list(zip(targets, predictions, strict=True))
    right = np.array([[sum(a == b for a, b in zip(t, p, strict=True)), len(t)] for t, p in pairs])
    if not len(right) or not right[:, 1].sum():
        raise DataError("There are no words to score; give a test set with at least one sentence.")
    draw = Draws(confidence, seed, num_resamples)
    overall = {"accuracy": draw.ratio(right[:, 0], right[:, 1])}
    kinds: dict[str, NDArray[np.int64]] = {}
    for number, (wanted, given) in enumerate(pairs):
        for kind, counts in _matches(wanted, given, scheme).items():
            if kind not in kinds:
                kinds[kind] = np.zeros((len(pairs), 3), np.int64)
            kinds[kind][number] = counts
    if scheme is not None:
        empty = np.zeros((len(pairs), 3), np.int64)
        hits, support, predicted = sum(kinds.values(), empty).T
        overall |= {
            "entity_precision": draw.ratio(hits, predicted),
            "entity_recall": draw.ratio(hits, support),
            "entity_f1": draw.f1(hits, support + predicted),
        }
    per_kind = {kind: _kind_scores(kinds[kind], draw) for kind in sorted(kinds)}
    return TagScores(len(pairs), int(right[:, 1].sum()), confidence, overall, per_kind)


def _matches(wanted: Tags, given: Tags, scheme: Scheme | None) -> dict[str, list[int]]:
    """Hits, right ones and predicted ones of each type in one sentence."""
    if scheme is None:
        ours = {(tag, i) for i, tag in enumerate(wanted)}
        theirs = {(tag, i) for i, tag in enumerate(given)}
    else:
        ours = set(name_entities(wanted, scheme))  # type: ignore[arg-type]
        theirs = set(name_entities(given, scheme))  # type: ignore[arg-type]
    counts: dict[str, list[int]] = {}
    for column, found in enumerate((ours & theirs, ours, theirs)):
        for item in found:
            counts.setdefault(item[0], [0, 0, 0])[column] += 1
    return counts


def _kind_scores(counts: NDArray[np.int64], draw: "Draws") -> KindScores:
    hits, support, predicted = counts.T
    f1 = draw.f1(hits, support + predicted)
    return KindScores(
        _share(hits, predicted),
        _share(hits, support),
        f1.value,
        f1.low,
        f1.high,
        int(support.sum()),
    )


def _share(part: NDArray[Any], whole: NDArray[Any]) -> float:
    return float(part.sum() / max(1, whole.sum()))


class Draws:
    """Ratios of sums over rows with bootstrap intervals (Efron & Tibshirani 1993)."""

    def __init__(self, confidence: float, seed: int, num_resamples: int) -> None:
        self.confidence, self.seed, self.num_resamples = confidence, seed, num_resamples

    def ratio(self, part: NDArray[Any], whole: NDArray[Any]) -> Estimate:
        """The sum of ``part`` over that of ``whole``; rows that are alike are drawn together."""
        return self._estimate(part, whole, max(1, int(whole.sum())))

    def f1(self, hits: NDArray[np.int64], both: NDArray[np.int64]) -> Estimate:
        """Twice the hits over what is right and what is predicted together."""
        concerned = max(1, int((both - hits).sum()))
        return self._estimate(2 * hits, both, concerned, jaccard=True)

    def _estimate(
        self, part: NDArray[Any], whole: NDArray[Any], concerned: int, *, jaccard: bool = False
    ) -> Estimate:
        kinds, counts = np.unique(np.stack([part, whole], axis=1), axis=0, return_counts=True)
        random = np.random.default_rng(self.seed)
        drawn = random.multinomial(len(part), counts / len(part), size=self.num_resamples) @ kinds
        # A resample in which nothing is concerned says nothing.
        share = drawn[:, 0] / np.where(drawn[:, 1] > 0, drawn[:, 1], np.nan)
        value = _share(part, whole)
        if np.isnan(share).all():
            return Estimate(value, 0.0, 1.0)
        return estimate(value, share, self.confidence, concerned, jaccard=jaccard)
