"""A picture of an answer: how much each word spoke for it, and whether to believe that."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mason.explanation.checks import Trust, likeness, sentence, trust
from mason.explanation.faithfulness import FEWEST_WORDS, Judge
from mason.explanation.methods import Method, find_method
from mason.explanation.subjects import Subject, Weights, read
from mason.explanation.words import Word
from mason.models.transformer import Transformer


@dataclass(frozen=True)
class Weight:
    """A word of the user's text and what it weighs.

    Attributes:
        text: The word.
        start: First character in its text.
        end: Last character + 1.
        part: Which text of a pair.
        weight: Above 0: it spoke for the answer; below: against.
    """

    text: str
    start: int
    end: int
    part: int
    weight: float


@dataclass(frozen=True)
class Picture:
    """How much each word of a text spoke for an answer, by one method.

    Attributes:
        method: Its name.
        paper: Where the method was described.
        texts: The user's own: one, or a pair.
        answer: What is explained.
        value: Its probability, or the value that was answered.
        probable: Which of the two ``value`` is.
        words: In order, with weights; empty where the picture is withheld.
        trust: What was measured of it.
    """

    method: str
    paper: str
    texts: tuple[str, ...]
    answer: str
    value: float
    probable: bool
    words: tuple[Weight, ...]
    trust: Trust

    @property
    def shown(self) -> bool:
        """Whether it passed its checks."""
        return self.trust.failed is None

    @property
    def withheld(self) -> str:
        """Why it is not shown; empty where it is."""
        return sentence(self.trust)

    def __str__(self) -> str:
        if not self.shown:
            return self.withheld
        ranked = sorted(self.words, key=lambda word: -abs(word.weight))
        return " ".join(f"{word.text} ({word.weight:+.2f})" for word in ranked)


class Explainer:
    """Draws pictures of one network's answers; keeps what all of them share.

    Args:
        network: Whose answers are explained.
    """

    def __init__(self, network: Transformer) -> None:
        self.network = network

    @cached_property
    def _copy(self) -> Transformer:
        """Whose weights are shuffled for a check."""
        return copy.deepcopy(self.network).eval()

    def __call__(self, subject: Subject, methods: Sequence[str]) -> list[Picture]:
        """One picture by each method, those that fail a check without their words.

        Raises:
            SettingsError: There is no method of such a name.
        """
        chosen = [find_method(name) for name in methods]
        training = self.network.training
        self.network.eval()
        try:
            long = len(subject.words) >= FEWEST_WORDS
            judge = Judge(subject) if long else None
            return [self._draw(subject, method, judge) for method in chosen]
        finally:
            self.network.train(training)

    def _draw(self, subject: Subject, method: Method, judge: Judge | None) -> Picture:
        value = float(read([subject])[0])
        if subject.number.probable:
            value = float(1 / (1 + np.exp(-value)))
        told: dict[str, Any] = {
            "method": method.name,
            "paper": method.paper,
            "texts": subject.texts,
            "answer": subject.answer,
            "value": value,
            "probable": subject.number.probable,
        }
        if judge is None:
            return Picture(**told, words=(), trust=Trust(failed="length"))
        weighed = method.weigh(subject)
        like = likeness(subject, method, weighed.weights, self._copy)
        trusted = trust(subject, weighed, judge(weighed.weights), like)
        words = _weights(subject, weighed.weights) if trusted.failed is None else ()
        return Picture(**told, words=words, trust=trusted)


def _weights(subject: Subject, weights: Weights) -> tuple[Weight, ...]:
    def weight(word: Word, value: float) -> Weight:
        return Weight(subject.spoken(word), word.start, word.end, word.part, value)

    return tuple(weight(w, float(v)) for w, v in zip(subject.words, weights, strict=True))
