"""Exact match and F1 of answers, as SQuAD's script counts them (Rajpurkar et al. 2016, 2018)."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mason.errors import DataError
from mason.metrics.classification import Estimate
from mason.metrics.entities import Draws
from mason.metrics.groups import Groups, group_numbers

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_HAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def normalised(answer: str) -> str:
    """Lower case, without punctuation, articles and spare spaces.

    Where there are Chinese characters, their punctuation goes too.
    """
    lower = answer.lower()
    kept = "".join(c for c in lower if c not in _PUNCTUATION)
    if _HAN.search(kept):
        kept = "".join(c for c in kept if not unicodedata.category(c).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", kept).split())


def answer_tokens(answer: str) -> list[str]:
    """The words of an answer; each Chinese character is one (Cui et al. 2019)."""
    return _HAN.sub(r" \g<0> ", normalised(answer)).split()


def exact_match(given: str, wanted: Sequence[str]) -> float:
    """1 if the answer is one of the right ones; "" is the right one where there are none."""
    return float(any(normalised(given) == normalised(right) for right in wanted or [""]))


def answer_f1(given: str, wanted: Sequence[str]) -> float:
    """The best overlap in words with a right answer."""
    return max(_overlap(answer_tokens(given), answer_tokens(right)) for right in wanted or [""])


def _overlap(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    same = sum((Counter(given) & Counter(wanted)).values())
    return 2 * same / (len(given) + len(wanted))


@dataclass(frozen=True)
class AnswerScores:
    """Scores of answers.

    ``overall`` has ``exact_match`` and ``f1``; where some texts hold no
    answer, ``answered_f1`` and ``no_answer_accuracy``.
    """

    questions: int
    confidence: float
    overall: dict[str, Estimate]
    exact: list[float]
    f1: list[float]


def answer_scores(
    given: Sequence[str],
    wanted: Sequence[Sequence[str]],
    *,
    groups: Groups | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2000,
) -> AnswerScores:
    """Score answers beside the right ones.

    Args:
        given: An answer each; "" says that there is none.
        wanted: The right answers of each question; none: the text has no answer.
        groups: What each question belongs to, such as its text: these are drawn for the
            intervals, since their questions are alike. None: each is alone.
        confidence: Coverage of the intervals.
        seed: Of the resampling.
        num_resamples: Bootstrap resamples.

    Raises:
        DataError: There are no questions.
    """
    if not given:
        raise DataError("There are no questions to score; give a test set with at least one.")
    right = [[answer for answer in answers if normalised(answer)] for answers in wanted]
    pairs = list(zip(given, right, strict=True))
    exact = [exact_match(answer, answers) for answer, answers in pairs]
    f1 = [answer_f1(answer, answers) for answer, answers in pairs]
    where = group_numbers(groups or range(len(given)))
    draws = Draws(confidence, seed, num_resamples)

    def mean(values: Sequence[float], chosen: Sequence[bool]) -> Estimate:
        kept = np.array(chosen, dtype=float)
        part = np.bincount(where, weights=np.array(values) * kept)
        return draws.ratio(part, np.bincount(where, weights=kept))

    every = [True] * len(pairs)
    overall = {"exact_match": mean(exact, every), "f1": mean(f1, every)}
    answerable = [bool(answers) for answers in right]
    if any(answerable) and not all(answerable):
        overall["answered_f1"] = mean(f1, answerable)
        overall["no_answer_accuracy"] = mean(exact, [not a for a in answerable])
    return AnswerScores(len(given), confidence, overall, exact, f1)


def best_threshold(
    margins: Sequence[float], without: Sequence[float], with_: Sequence[float]
) -> float:
    """The margin of the null score above which no answer is the better one to give.

    Args:
        margins: Null score minus the best answer's score, for each question.
        without: F1 of giving no answer.
        with_: F1 of giving the best one.
    """
    order = np.argsort(margins, kind="stable")
    gains = np.array(with_)[order] - np.array(without)[order]
    # Questions up to the threshold are answered.
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    cut = int(sums.argmax())
    ordered = np.array(margins)[order]
    if cut == 0:
        return float(ordered[0] - 1)
    if cut == len(ordered):
        return float(ordered[-1])
    return float((ordered[cut - 1] + ordered[cut]) / 2)
