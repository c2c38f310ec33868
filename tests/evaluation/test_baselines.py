"""What something simpler scores on the same rows, in English and in Chinese."""

import pytest

from mason.evaluation import baselines

ENGLISH = (["good radio", "good lamp", "bad kettle", "good pan"], ["bad toy", "good bag"])
CHINESE = (["收音机很好用", "这盏灯很好用", "水壶质量太差", "锅很好用"], ["玩具太差", "书包好用"])


@pytest.mark.parametrize(("train", "test"), [ENGLISH, CHINESE])
def test_a_linear_model_learns_what_the_most_frequent_label_cannot(
    train: list[str], test: list[str]
) -> None:
    """No test text repeats: what is learnt must be parts of them, words or characters."""
    majority, linear = baselines(train, [1, 1, 0, 1], test, [0, 1], 2)
    assert majority.name == "the most frequent label" and majority.accuracy.value == 0.5
    assert linear.name == "word counts and a linear model" and linear.accuracy.value == 1
    for rival in (majority, linear):
        low, high = rival.accuracy.low, rival.accuracy.high
        assert 0 <= low <= rival.accuracy.value <= high <= 1


def test_the_most_frequent_label_is_that_of_the_training_rows() -> None:
    majority, _ = baselines(["a b", "c d", "e f"], [2, 2, 0], ["g h"] * 4, [0, 0, 0, 2], 3)
    assert majority.accuracy.value == 0.25


@pytest.mark.parametrize("odd", [["?", "!"], ["的", "了"]])
def test_texts_without_words_have_a_baseline_all_the_same(odd: list[str]) -> None:
    found = baselines(odd, [0, 1], odd, [0, 1], 2)
    assert len(found) == 2
