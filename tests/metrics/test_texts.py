"""Scores of written texts against the libraries they come from."""

import difflib
import random

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from mason.errors import DataError
from mason.metrics.texts import (
    bleu_and_chrf,
    bleu_tokens,
    edit_distance,
    match_scores,
    mean_estimate,
    rouge,
)

WANTED = [
    "The package holds the files that are needed to build programs.",
    "A library for reading and writing pictures of many kinds.",
    "This tool shows what a network card does, second by second.",
]
WRITTEN = [
    "The package has the files needed to build programs.",
    "A library for reading pictures and writing them.",
    "This tool shows what the network does.",
]
CHINESE = ["这个软件包包含编译程序所需的文件。", "用于读写多种图片的库。"]
CHINESE_WRITTEN = ["这个软件包含编译程序需要的文件。", "读写图片的库。"]


def test_bleu_and_chrf_are_sacrebleus() -> None:
    told = bleu_and_chrf(WRITTEN, WANTED)
    bleu, chrf = (
        metric(WRITTEN, [WANTED]).score / 100
        for metric in (sacrebleu.corpus_bleu, sacrebleu.corpus_chrf)
    )
    assert told.overall["bleu"].value == pytest.approx(bleu, abs=1e-12)
    assert told.overall["chrf"].value == pytest.approx(chrf, abs=1e-12)
    assert told.signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|")
    for score in told.overall.values():
        assert 0 <= score.low <= score.value <= score.high <= 1
    assert told.each.argmin() == 2


def test_bleu_of_chinese_counts_characters() -> None:
    told = bleu_and_chrf(CHINESE_WRITTEN, CHINESE)
    right = sacrebleu.corpus_bleu(CHINESE_WRITTEN, [CHINESE], tokenize="zh").score / 100
    assert told.overall["bleu"].value == pytest.approx(right, abs=1e-12) and right > 0.3
    assert "tok:zh" in told.signatures["bleu"]
    assert bleu_tokens(["これはペンです。"]) == "char" and bleu_tokens(WANTED) == "13a"


def test_rouge_is_the_librarys() -> None:
    told = rouge(WRITTEN, WANTED)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    found = [scorer.score(b, a) for a, b in zip(WRITTEN, WANTED, strict=True)]
    for name, score in told.overall.items():
        mean = float(np.mean([f[name].fmeasure for f in found]))
        assert score.value == pytest.approx(mean, abs=1e-12) and score.low < mean < score.high


def test_marks_that_are_not_ascii_make_no_text_another_language() -> None:
    typed, set_ = ["It's running - fast."] * 3, ["It\u2019s running \u2014 fast."] * 3
    stemmed = rouge(["it runs"] * 3, typed).overall["rouge1"].value
    assert rouge(["it runs"] * 3, set_).overall["rouge1"].value == stemmed > 0.5
    # É is a letter: French is not cut as English is.
    assert rouge(["étés"] * 3, ["été"] * 3).overall["rouge1"].value == 0


def test_rouge_of_chinese_counts_characters() -> None:
    # 读写图片的库 in 用于读写多种图片的库: 6 of 6 and of 10 characters, in order.
    told = rouge(CHINESE_WRITTEN[1:], CHINESE[1:]).overall
    assert told["rouge1"].value == told["rougeL"].value == pytest.approx(2 * 6 / (6 + 10))


def test_edit_distance_is_levenshteins() -> None:
    assert edit_distance("kitten", "sitting") == 3 and edit_distance("", "abc") == 3
    chance = random.Random(0)
    for _ in range(50):
        one, other = ("".join(chance.choices("abc", k=chance.randrange(9))) for _ in "ab")
        assert edit_distance(one, other) == slow_distance(one, other)


def slow_distance(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    changed = slow_distance(one[1:], other[1:]) + (one[0] != other[0])
    return (
        changed
        if one[0] == other[0]
        else min(changed, slow_distance(one[1:], other) + 1, slow_distance(one, other[1:]) + 1)
    )


def test_matches_leave_space_at_the_ends_out() -> None:
    told = match_scores([" a b", "xy", "q"], ["a b ", "xz", "q"]).overall
    assert told["exact_completion"].value == pytest.approx(2 / 3)
    assert told["edit_similarity"].value == pytest.approx((1 + 0.5 + 1) / 3)
    assert difflib.SequenceMatcher(None, "xy", "xz").ratio() == 0.5


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        told = mean_estimate(chance.normal(size=40))
        hits += told.low <= 0 <= told.high
    assert 50 <= hits <= 60


def test_no_rows_are_no_score() -> None:
    for measure in (bleu_and_chrf, rouge, match_scores):
        with pytest.raises(DataError, match="no rows"):
            measure([], [])
