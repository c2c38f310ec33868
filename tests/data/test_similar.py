"""Pairs that belong together, and columns that may say that some do not."""

from pathlib import Path

import pytest

from mason.data.parts import text_frame
from mason.data.similar import find_similar
from mason.data.tables import Table
from mason.errors import DataError


def _table(*more: str) -> Table:
    names = ("sentence1", "sentence2", *more)
    frame = text_frame({name: ["a", "b"] if i < 2 else ["1", "0"] for i, name in enumerate(names)})
    return Table(frame, [2, 3], Path("pairs.csv"), "csv", "utf-8")


@pytest.mark.parametrize("name", ["label", "is_duplicate", "gold_label", "relatedness_score"])
def test_a_column_that_may_judge_pairs_is_asked_about(name: str) -> None:
    with pytest.raises(DataError, match=rf"pairs\.csv: the column {name} may say which pairs"):
        find_similar(_table(name))
    assert find_similar(_table(name), score=name).answer == name
    assert find_similar(_table(name), group=name).answer is None


def test_other_columns_judge_nothing() -> None:
    assert find_similar(_table("id", "topic")).answer is None
    assert find_similar(_table("label", "negative")).negative == "negative"
    assert find_similar(_table("label", "score")).answer == "score"
