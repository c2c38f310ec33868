"""A tagger's answers as everything a report says of them, beside the simplest rival."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mason.evaluation.baselines import Baseline
from mason.language import say
from mason.metrics.classification import Estimate
from mason.metrics.entities import Scheme, TagScores, is_of_entities, scheme_of, tag_scores

MOST_WRONG = 10
"""Mistakes shown, the most confident first."""
_AROUND = 6
"""Words shown on either side of a mistake."""

Tags = Sequence[str]
Words = Sequence[str]


@dataclass(frozen=True)
class TagMistake:
    """A word with the wrong tag: its sentence's number, what stands around it, and both tags."""

    sentence: int
    text: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class TagJudgement:
    """Scores, those of the strict reading where tags name entities, and the worst mistakes."""

    scores: TagScores
    strict: TagScores | None
    mistakes: list[TagMistake]


def judge_tags(
    sentences: Sequence[Words],
    targets: Sequence[Tags],
    predictions: Sequence[Sequence[tuple[str, float]]],
) -> TagJudgement:
    """Judge predictions.

    Args:
        sentences: Words.
        targets: Their right tags.
        predictions: The tag of each word and its probability.
    """
    given = [[tag for tag, _ in tags] for tags in predictions]
    named = [tag for tags in targets for tag in tags]
    of_entities = is_of_entities(named)
    scheme: Scheme | None = "default" if of_entities else None
    strict = tag_scores(targets, given, scheme=scheme_of(named)) if of_entities else None
    return TagJudgement(
        tag_scores(targets, given, scheme=scheme),
        strict,
        _mistakes(sentences, targets, predictions),
    )


def _mistakes(
    sentences: Sequence[Words],
    targets: Sequence[Tags],
    predictions: Sequence[Sequence[tuple[str, float]]],
) -> list[TagMistake]:
    wrong = [
        (likely, number, place)
        for number, (right, found) in enumerate(zip(targets, predictions, strict=True))
        for place, (tag, (guess, likely)) in enumerate(zip(right, found, strict=True))
        if tag != guess
    ]
    worst = sorted(wrong, key=lambda item: (-item[0], item[1:]))[:MOST_WRONG]
    return [
        TagMistake(
            number,
            _shown(sentences[number], place),
            targets[number][place],
            predictions[number][place][0],
            likely,
        )
        for likely, number, place in worst
    ]


def _shown(words: Words, place: int) -> str:
    """The word in brackets among its neighbours."""
    start, end = max(0, place - _AROUND), min(len(words), place + _AROUND + 1)
    shown = [f"[{words[i]}]" if i == place else words[i] for i in range(start, end)]
    return " ".join([*["…"] * (start > 0), *shown, *["…"] * (end < len(words))])


def tag_baselines(
    sentences: Sequence[Words],
    tags: Sequence[Tags],
    asked: Sequence[Words],
    targets: Sequence[Tags],
) -> list[Baseline]:
    """The most frequent tag, and the most frequent tag of each word."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, given in zip(sentences, tags, strict=True):
        for word, tag in zip(words, given, strict=True):
            counts[word][tag] += 1
    overall = sum(counts.values(), Counter[str]()).most_common(1)[0][0]
    usual = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    scheme: Scheme | None = (
        "default" if is_of_entities([tag for some in targets for tag in some]) else None
    )
    guesses = {
        say("the most frequent tag"): [[overall] * len(words) for words in asked],
        say("the most frequent tag of each word"): [
            [usual.get(word, overall) for word in words] for words in asked
        ],
    }
    return [
        Baseline(name, scores=named(tag_scores(targets, guess, scheme=scheme)))
        for name, guess in guesses.items()
    ]


def named(told: TagScores) -> dict[str, Estimate]:
    """The scores by the names that results have for them: an accuracy of words."""
    return {
        "word_accuracy" if name == "accuracy" else name: score
        for name, score in told.overall.items()
    }


def share_of_unknown(sentences: Sequence[Words], asked: Sequence[Words]) -> float:
    """Share of the words asked for that training has never shown."""
    known = {word for words in sentences for word in words}
    return float(np.mean([word not in known for words in asked for word in words]))
