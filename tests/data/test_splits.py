from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason.data.splits import folds, link, split
from mason.errors import DataError

LABELS = ["pos"] * 613 + ["neg"] * 307 + ["mixed"] * 79 + ["odd"] * 2 + ["alone"]
rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), min_size=25, max_size=80)


def test_every_row_is_in_one_split_and_labels_keep_their_share() -> None:
    parts = split(LABELS, valid=0.1, test=0.2, seed=3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(LABELS)))
    assert len(parts.valid) == 100 and len(parts.test) == 200
    for label, total in Counter(LABELS).items():
        held = sum(LABELS[i] == label for i in parts.test)
        assert abs(held - 0.2 * total) < 1
    assert {LABELS[i] for i in parts.train} == set(LABELS)


def test_split_is_deterministic_and_depends_on_the_seed() -> None:
    assert all(map(np.array_equal, split(LABELS, seed=5), split(LABELS, seed=5)))
    assert not np.array_equal(split(LABELS, seed=5).test, split(LABELS, seed=6).test)


def test_no_share_means_no_rows() -> None:
    parts = split(LABELS, valid=0, test=0)
    assert [len(p) for p in parts] == [len(LABELS), 0, 0]


@given(rows, st.integers(0, 9))
def test_groups_stay_whole_and_labels_stay_in_train(rows: list[tuple[str, int]], seed: int) -> None:
    labels = [label for label, _ in rows]
    groups = [group for _, group in rows]
    try:
        parts = split(labels, groups=groups, valid=0.2, test=0.2, seed=seed)
    except DataError:
        return  # a handful of large groups cannot be divided
    seen = [{groups[i] for i in part} for part in parts]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert {labels[i] for i in parts.train} == set(labels)
    assert sum(map(len, parts)) == len(rows)


def test_large_groups_do_not_swell_a_split() -> None:
    labels, groups = ["x"] * 1000, [0] * 400 + list(range(1, 601))
    parts = split(labels, groups=groups, seed=1)
    assert len(parts.valid) == len(parts.test) == 100


def test_copies_linked_by_text_and_by_speaker_stay_together() -> None:
    texts = ["a", "b", "b", "c", "d", "e"]
    speakers = ["S", "S", "T", None, None, "U"]
    assert link(texts, speakers).tolist() == [0, 0, 0, 1, 2, 3]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"^4 rows are too few to hold out 10% for validation"):
        split(["a", "a", "b", "b"])
    with pytest.raises(DataError, match=r"^3 rows are too few for 5 folds; add rows"):
        folds(["a", "b", "c"], num_folds=5)


@given(rows, st.integers(2, 4))
def test_folds_test_each_row_once_and_keep_groups_whole(
    rows: list[tuple[str, int]], num: int
) -> None:
    labels, groups = [r[0] for r in rows], [r[1] for r in rows]
    try:
        found = folds(labels, num_folds=num, groups=groups)
    except DataError:
        assert len(set(groups)) < num
        return
    assert sorted(np.concatenate([f.test for f in found]).tolist()) == list(range(len(rows)))
    for fold in found:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}


def test_folds_are_stratified() -> None:
    found = folds(LABELS, num_folds=5, seed=2)
    for label, total in Counter(LABELS).items():
        held = [sum(LABELS[i] == label for i in fold.test) for fold in found]
        assert max(held) - min(held) <= 1 and sum(held) == total
