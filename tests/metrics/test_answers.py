"""Exact match and F1 by hand, from the rules of SQuAD's script."""

import pytest

from mason.errors import DataError
from mason.metrics.answers import (
    answer_f1,
    answer_scores,
    answer_tokens,
    best_threshold,
    exact_match,
    normalised,
)


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The Eiffel Tower.", "eiffel tower"),
        ("a  cat,  an ant; the dog", "cat ant dog"),
        ("Theatre", "theatre"),
        ("U.S. dollars ($5)", "us dollars 5"),
        ("it's", "its"),
        ("“quoted”", "“quoted”"),  # string.punctuation alone, as in the script
        ("北京，中国。", "北京中国"),
    ],
)
def test_normalised_by_hand(answer: str, plain: str) -> None:
    assert normalised(answer) == plain


def test_chinese_characters_are_words() -> None:
    assert answer_tokens("北京的 Tiananmen 广场。") == [*"北京的", "tiananmen", *"广场"]
    assert answer_f1("北京市", ["北京"]) == pytest.approx(2 * 2 / 5)
    assert exact_match("北京。", ["北京"]) == 1.0


@pytest.mark.parametrize(
    ("given", "wanted", "exact", "f1"),
    [
        ("the cat", ["Cat!"], 1.0, 1.0),
        ("black cat", ["cat", "a white dog"], 0.0, 2 / 3),
        ("cat cat", ["cat"], 0.0, 2 / 3),
        ("dog", ["cat"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("cat", [], 0.0, 0.0),
        ("", ["cat"], 0.0, 0.0),
        ("the", ["a"], 1.0, 1.0),  # nothing is left of either
    ],
)
def test_scores_of_one_answer(given: str, wanted: list[str], exact: float, f1: float) -> None:
    assert exact_match(given, wanted) == exact
    assert answer_f1(given, wanted) == pytest.approx(f1)


def test_scores_of_many() -> None:
    told = answer_scores(["cat", "black dog", ""], [["cat"], ["dog"], []])
    assert told.overall["exact_match"].value == pytest.approx(2 / 3)
    assert told.overall["f1"].value == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert told.overall["answered_f1"].value == pytest.approx((1 + 2 / 3) / 2)
    assert told.overall["no_answer_accuracy"].value == 1.0
    assert "answered_f1" not in answer_scores(["cat"], [["cat"]]).overall


def test_intervals_draw_texts() -> None:
    given = ["cat"] * 100 + ["dog"] * 100
    wanted = [["cat"]] * 200
    alone = answer_scores(given, wanted).overall["f1"]
    together = answer_scores(given, wanted, groups=[i // 20 for i in range(200)]).overall["f1"]
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_no_questions_is_said() -> None:
    with pytest.raises(DataError, match="no questions"):
        answer_scores([], [])


def test_the_threshold_by_hand() -> None:
    # The null score leads by 5 where there is an answer, trails where there is one too.
    margins, without, best = [-3.0, -1.0, 2.0, 5.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]
    assert best_threshold(margins, without, best) == pytest.approx(0.5)
    assert best_threshold(margins, [1.0] * 4, [0.0] * 4) < -3
    assert best_threshold(margins, [0.0] * 4, [1.0] * 4) >= 5
