"""Words put right: edits undone, words that are known or too far left alone, spans kept."""

import random

import pytest

from mason.catalog import find
from mason.data.tables import read
from mason.security.moves import disguise, typos
from mason.security.words import Words
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.cleaners import SPELLING, UNICODE
from mason.text.spelling import Speller

WORDS = "the of what is capital who how star start horse in to into".split()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Waht is teh captial of it?", "What is the capital of it?"),  # letters swapped
        ("whatt is thee capitl", "what is the capital"),  # one too many, one missing
        ("wh4t is th3 c4p17al", "what is the capital"),  # digits for letters
        ("thé cápital", "the capital"),
        ("wh at is the cap ital", "what is the capital"),  # a space
        ("WAHT", "WHAT"),
        ("in to the horses started", "in to the horses started"),  # known, or with an ending
        ("mp3s, B2B, 1,000 and X", "mp3s, B2B, 1,000 and X"),
        ("Kyzyl zzzzz 你好 что", "Kyzyl zzzzz 你好 что"),  # near nothing
        ("sta", "star"),  # the more frequent of two: of star and start only one is one edit away
        ("wha\u200bt", "what"),  # what hides is undone first
        ("", ""),
    ],
)
def test_words_are_put_right(given: str, read: str) -> None:
    assert Speller(WORDS)(given).text == read


def test_the_more_frequent_of_two_words_is_meant() -> None:
    assert Speller(["who", "how"])("hwo").text == "who"  # two letters swapped give either
    assert Speller(["how", "who"])("hwo").text == "how"


def test_an_endless_word_takes_no_time() -> None:
    """Its edits would be gigabytes."""
    endless = "ab" * 200_000
    assert Speller(WORDS)(f"teh {endless}").text == f"the {endless}"


def test_every_letter_knows_where_it_stood() -> None:
    given = "wh at is\u200b teh captial?"
    found = Speller(WORDS)(given)
    assert found.text == "what is the capital?" and len(found.origins) == len(found.text)
    for word, stood in (("what", "wh at"), ("the", "teh"), ("capital", "captial"), ("?", "?")):
        start = found.text.index(word)
        span = found.span(start, start + len(word))
        assert given[slice(*span)] == stood


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(find_model("all-MiniLM-L6-v2"))


def test_a_tokenizer_behind_it_can_be_the_first_that_is_asked() -> None:
    """As it is in a model that was loaded."""
    fresh = load_tokenizer(find_model("all-MiniLM-L6-v2")).cleaning(SPELLING)
    assert fresh.encode_ids(["Waht is it?"]) == fresh.encode_ids(["What is it?"])


def test_a_tokenizer_knows_its_own_words(tokenizer: Tokenizer) -> None:
    words = tokenizer.whole_words
    assert len(words) > 20_000 and list(words.values()) == sorted(words.values())
    assert "the" in words and "##ing" not in words and "Ġthe" not in words
    behind = tokenizer.cleaning(SPELLING)
    assert behind.encode_ids(["Waht is it?"]) == tokenizer.encode_ids(["What is it?"])
    assert behind.fingerprint not in (
        tokenizer.fingerprint,
        tokenizer.cleaning(UNICODE).fingerprint,
    )
    assert behind.cleaning(None).encode_ids(["Waht"]) == tokenizer.encode_ids(["Waht"])


@pytest.mark.parametrize(("move", "share"), [(typos, 0.7), (disguise, 0.7)])
def test_most_edits_of_real_questions_are_undone(
    move: object, share: float, tokenizer: Tokenizer
) -> None:
    speller = Speller(list(tokenizer.whole_words))
    questions = read(find("trec").build()).texts("text")[:300]
    draw, undone, tried = random.Random(0), 0, 0
    for question in questions:
        words = Words.of(str(question))
        for place, word in enumerate(words.words):
            if word.lower() not in tokenizer.whole_words:
                continue
            tries = move(draw.randrange(1000))(words, place)  # type: ignore[operator]
            if tries:
                edited = str(words.changed(place, draw.choice(tries)))
                tried += 1
                undone += speller(edited).text.lower() == speller(str(words)).text.lower()
    assert tried > 1000 and undone / tried > share
