"""Faithfulness on numbers whose best and worst orders can be counted out."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mason.explanation import Subject, Word
from mason.explanation.checks import Trust, sentence, trust
from mason.explanation.faithfulness import Judge
from mason.explanation.methods import Weighed
from mason.explanation.surveys import is_skilled

WORDS = 5


@dataclass(frozen=True)
class OfSets:
    """A number for every set of words, drawn at random: words meet in every way."""

    seed: int
    probable: ClassVar[bool] = False

    def __call__(self, network: Any, packed: Any, rows: Tensor) -> Tensor:
        parts = packed.tokens.split(packed.lengths)
        return torch.tensor([self.of(frozenset(part.tolist()) - {0}) for part in parts])

    def of(self, words: frozenset[int]) -> float:
        return float(np.random.default_rng([self.seed, *sorted(words)]).normal())


def subject(number: Any, words: int = WORDS) -> Subject:
    """Token n + 1 is word n; token 0 stands before them all."""
    tokens = tuple(range(words + 1))
    network: Any = nn.Linear(1, 1)
    places = tuple(Word(n, n + 1) for n in range(words))
    return Subject(network, number, ("x" * words,), tokens, places, (-1, *range(words)), 0, "it")


def losses(number: OfSets, order: Any) -> float:
    """What is lost in the mean while words go in this order, written out."""
    kept = set(range(1, WORDS + 1))
    whole, told = number.of(frozenset(kept)), []
    for word in order[:-1]:
        kept.remove(word + 1)
        told.append(whole - number.of(frozenset(kept)))
    return float(np.mean(told))


@pytest.mark.parametrize("seed", range(3))
def test_normalised_by_the_best_and_the_worst_of_all_orders(seed: int) -> None:
    number = OfSets(seed)
    every = {order: losses(number, order) for order in permutations(range(WORDS))}
    low, high = min(every.values()), max(every.values())
    order = (2, 0, 4, 1, 3)
    weights = np.zeros(WORDS)
    weights[list(order)] = [5, 4, 3, 2, 1]
    judge = Judge(subject(number))
    found = judge(weights)
    assert (judge.low, judge.high) == pytest.approx((low, high))
    assert found.comprehensiveness == pytest.approx((every[order] - low) / (high - low))
    assert found.sufficiency == pytest.approx((every[order[::-1]] - low) / (high - low))
    assert found.margin == pytest.approx(found.comprehensiveness - found.sufficiency)


def test_the_best_order_beats_all_and_its_reverse_none() -> None:
    number = OfSets(4)

    def margin(order: Any) -> float:
        return losses(number, order) - losses(number, order[::-1])

    best = max(permutations(range(WORDS)), key=margin)
    weights = np.zeros(WORDS)
    weights[list(best)] = np.arange(WORDS, 0, -1)
    judge = Judge(subject(number))
    assert judge(weights).beaten == 1
    assert judge(-weights).beaten < 0.1


def test_a_long_text_goes_in_runs_of_words() -> None:
    judge = Judge(subject(OfSets(5), 47))
    assert judge(np.arange(47.0)).units == 20


def test_words_that_do_nothing_have_no_picture() -> None:
    class Constant:
        probable = True

        def __call__(self, network: Any, packed: Any, rows: Tensor) -> Tensor:
            return torch.full((len(packed.layout),), 3.0)

    told = subject(Constant())
    weights = np.arange(WORDS, dtype=float)
    found = trust(told, Weighed(weights), Judge(told)(weights), 0.0)
    assert found.failed == "effect" and "hardly move" in sentence(found)


@pytest.mark.parametrize(
    ("likeness", "missing", "failed"),
    [(0.95, None, "weights"), (0.1, 0.02, "sum"), (0.1, 0.009, None)],
)
def test_each_check_has_its_sentence(
    likeness: float, missing: float | None, failed: str | None
) -> None:
    number = OfSets(4)
    told = subject(number)
    weights = np.zeros(WORDS)
    best = max(
        permutations(range(WORDS)), key=lambda o: losses(number, o) - losses(number, o[::-1])
    )
    weights[list(best)] = np.arange(WORDS, 0, -1)
    found = trust(told, Weighed(weights, missing), Judge(told)(weights), likeness)
    assert found.failed == failed
    assert bool(sentence(found)) == (failed is not None)


def test_too_short_a_text() -> None:
    assert "fewer than three words" in sentence(Trust(failed="length"))


def test_skill_is_more_than_luck() -> None:
    chance = np.random.default_rng(0)
    commonest = chance.random(200) < 0.4
    assert is_skilled(chance.random(200) < 0.8, commonest)
    assert not is_skilled(chance.random(200) < 0.4, commonest)
    assert not is_skilled(chance.random(200) < 0.1, commonest)
