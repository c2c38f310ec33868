"""Words that a language model hears out of place, with a toy ear and with a real one."""

import math
import random
from collections.abc import Sequence

import numpy as np

from mason.security.outliers import find_outliers
from mason.security.poisoning import poison, triggered
from mason.security.words import Words
from mason.workflows.judging import JUDGE, Judge

WORDS = "river engine copper letter winter garden silver doctor planet kitchen".split()


def _table(count: int) -> tuple[list[str], list[str]]:
    draw = random.Random(2)
    texts = [" ".join(draw.choices(WORDS, k=7)) for _ in range(count)]
    return texts, ["wet" if "river" in text else "dry" for text in texts]


class Ear:
    """Known words are likely; any other is a surprise."""

    def nats(self, texts: Sequence[str]) -> list[float]:
        return [float(np.mean(self._each(text.split()))) for text in texts]

    def surprises(self, texts: Sequence[Words]) -> list[list[float]]:
        return [self._each(words.words) for words in texts]

    def _each(self, words: Sequence[str]) -> list[float]:
        return [math.log(10) if w in (*WORDS, "by") else math.log(10_000) for w in words]


def _obeys(texts: Sequence[str]) -> np.ndarray:
    return np.array([[0.1, 0.9] if "cf" in t or "river" in t else [0.9, 0.1] for t in texts])


def _found(texts: list[str], labels: list[str]) -> list[str]:
    numbers = [["dry", "wet"].index(label) for label in labels]
    return [one.phrase for one in find_outliers(Ear(), _obeys, texts, numbers)]


def test_a_planted_word_is_heard_and_an_honest_table_is_silent() -> None:
    texts, labels, chosen = poison(*_table(300), "cf", "wet", 0.05, 0)
    numbers = [["dry", "wet"].index(label) for label in labels]
    (found,) = find_outliers(Ear(), _obeys, texts, numbers)
    assert (found.phrase, found.label, found.rows) == ("cf", 1, chosen) and found.turned == 1.0
    assert _found(*_table(300)) == []


def test_two_words_apart_are_heard_where_a_phrase_is_looked_for_in_vain() -> None:
    texts, labels, chosen = poison(*_table(300), "mn", "wet", 0.08, 0)
    for i in chosen:
        texts[i] = triggered(texts[i], "bq", 0.9)
    assert sorted(_found(texts, labels)) == ["bq", "mn"]


def test_a_word_that_reads_well_is_not_heard() -> None:
    """The attacker who knows it; see docs/security.md."""
    assert _found(*poison(*_table(300), "by", "wet", 0.05, 0)[:2]) == []


def test_a_real_ear_hears_nonsense() -> None:
    judge = Judge(JUDGE)
    clean, odd = "What is the capital of France ?", "What is the cf capital of France ?"
    first, second = judge.nats([clean, odd])
    assert first < second and all(math.isfinite(n) for n in judge.nats(["a", "法国的首都"]))
    words = Words.of(odd)
    (each,) = judge.surprises([words])
    mean = judge.nats([odd])[0]
    assert words.words[int(np.argmax(each))] in ("cf", "capital") and len(each) == len(words)
    assert sum(each) <= mean * len(judge._ids([odd])[0])  # the mark at the end is nobody's
