"""Entities and their scores: by hand, and as seqeval 1.2.2 gives them."""

import random

import pytest

from mason.errors import DataError
from mason.metrics.entities import (
    Entity,
    Scheme,
    is_of_entities,
    name_entities,
    scheme_of,
    tag_scores,
)

HAND: list[tuple[str, Scheme, list[tuple[str, int, int]]]] = [
    ("B-PER I-PER O B-LOC", "default", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER I-PER O I-LOC B-LOC", "default", [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 5)]),
    ("B-PER I-LOC E-LOC S-LOC", "default", [("PER", 0, 1), ("LOC", 1, 3), ("LOC", 3, 4)]),
    ("O E-PER E-PER", "default", [("PER", 1, 2), ("PER", 2, 3)]),
    ("I-PER I-PER O B-LOC I-PER", "iob2", [("LOC", 3, 4)]),
    ("B-PER B-PER I-PER", "iob2", [("PER", 0, 1), ("PER", 1, 3)]),
    ("B-PER I-PER E-PER S-LOC B-LOC O", "bioes", [("PER", 0, 3), ("LOC", 3, 4)]),
    ("B-PER I-PER O E-PER B-PER E-LOC", "bioes", []),
    ("B-NAME M-NAME E-NAME O S-LOC", "default", [("NAME", 0, 3), ("LOC", 4, 5)]),
    ("B-NAME M-NAME E-NAME M-LOC", "bioes", [("NAME", 0, 3)]),
    ("B-PER L-PER U-LOC B-PER I-PER", "default", [("PER", 0, 2), ("LOC", 2, 3), ("PER", 3, 5)]),
    ("B-PER L-PER U-LOC B-PER I-PER", "bioes", [("PER", 0, 2), ("LOC", 2, 3)]),
    ("B-A-B I-A-B", "default", [("A-B", 0, 2)]),
    ("O O", "default", []),
]


@pytest.mark.parametrize(("tags", "scheme", "wanted"), HAND)
def test_entities_by_hand(tags: str, scheme: Scheme, wanted: list[tuple[str, int, int]]) -> None:
    assert name_entities(tags.split(), scheme) == [Entity(*one) for one in wanted]


TARGETS = [
    "B-PER I-PER O B-LOC O B-ORG I-ORG".split(),
    "O O B-LOC I-LOC".split(),
    "B-PER O B-PER".split(),
]
PREDICTIONS = [
    "B-PER I-PER O B-LOC O B-ORG O".split(),
    "O I-LOC I-LOC I-LOC".split(),
    "B-PER O I-PER".split(),
]


@pytest.mark.parametrize(
    ("scheme", "wanted"),
    [  # precision_score, recall_score, f1_score (mode="strict" for the second), accuracy_score
        ("default", (0.6666666666666666, 0.6666666666666666, 0.6666666666666666)),
        ("iob2", (0.75, 0.5, 0.6)),
    ],
)
def test_scores_are_those_of_seqeval(scheme: Scheme, wanted: tuple[float, ...]) -> None:
    told = tag_scores(TARGETS, PREDICTIONS, scheme=scheme).overall
    names = ("entity_precision", "entity_recall", "entity_f1")
    assert tuple(told[name].value for name in names) == pytest.approx(wanted)
    assert told["accuracy"].value == pytest.approx(10 / 14)
    assert all(score.low <= score.value <= score.high for score in told.values())


def test_scores_by_type() -> None:
    told = tag_scores(TARGETS, PREDICTIONS).per_kind
    assert list(told) == ["LOC", "ORG", "PER"]
    assert (told["PER"].f1, told["PER"].support) == (1.0, 3)
    assert (told["ORG"].precision, told["ORG"].recall) == (0.0, 0.0)
    assert told["LOC"].f1 == 0.5


@pytest.mark.parametrize(
    ("scheme", "prefixes"),
    [("default", "BIES"), ("iob2", "BI"), ("bioes", "BIES"), ("bioes", "BILU")],
)
def test_random_tags_beside_seqeval(scheme: Scheme, prefixes: str) -> None:
    """Where it is installed: `pip install --no-deps seqeval`."""
    seqeval = pytest.importorskip("seqeval.metrics")
    schemes = pytest.importorskip("seqeval.scheme")
    theirs = {"BIES": schemes.IOBES, "BI": schemes.IOB2, "BILU": schemes.BILOU}
    more = {"scheme": theirs[prefixes], "mode": "strict"} if scheme != "default" else {}
    draw = random.Random(3)

    def tags(size: int) -> list[str]:
        return [
            "O"
            if draw.random() < 0.3
            else f"{draw.choice(prefixes)}-{draw.choice(['PER', 'LOC', 'A-B'])}"
            for _ in range(size)
        ]

    for _ in range(60):
        targets = [tags(draw.randint(1, 9)) for _ in range(3)]
        given = [[a if draw.random() < 0.7 else b for a, b in zip(t, tags(len(t)), strict=True)]
                 for t in targets]  # fmt: skip
        told = tag_scores(targets, given, scheme=scheme, num_resamples=2).overall
        assert told["entity_f1"].value == pytest.approx(seqeval.f1_score(targets, given, **more))
        precision = seqeval.precision_score(targets, given, **more)
        recall = seqeval.recall_score(targets, given, **more)
        assert told["entity_precision"].value == pytest.approx(precision)
        assert told["entity_recall"].value == pytest.approx(recall)


def test_intervals_draw_sentences() -> None:
    """Half the sentences all right, half all wrong: drawing words would be far too sure."""
    targets = [["N"] * 50 for _ in range(40)]
    given = [["N" if i % 2 else "V"] * 50 for i in range(40)]
    score = tag_scores(targets, given, scheme=None).overall["accuracy"]
    assert score.value == 0.5
    assert 0.25 < score.high - score.low < 0.35  # 2 × 1.96 × sqrt(0.25 / 40) = 0.31


def test_perfect_scores_have_an_exact_bound() -> None:
    told = tag_scores(TARGETS, TARGETS).overall
    assert told["entity_recall"].high == 1.0
    assert told["entity_recall"].low == pytest.approx(0.025 ** (1 / 6))


def test_no_words_is_said() -> None:
    with pytest.raises(DataError, match="no words"):
        tag_scores([], [])


def test_what_kind_of_tags() -> None:
    assert is_of_entities(["O", "B-PER", "I-PER"])
    assert is_of_entities(["B-NAME", "M-NAME", "E-NAME", "O"]) and is_of_entities(["U-PER"])
    assert not is_of_entities(["NN", "VB"]) and not is_of_entities(["O", "O"])
    assert not is_of_entities(["B-PER", "NN"])
    assert scheme_of(["O", "B-PER"]) == "iob2" and scheme_of(["S-PER", "O"]) == "bioes"
    assert scheme_of(["O", "B-PER", "L-PER"]) == scheme_of(["U-PER"]) == "bioes"
