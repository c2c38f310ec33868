"""Hidden characters and lookalikes are undone; ordinary writing of any language stays."""

import json
import random
import string
from pathlib import Path

import confusable_homoglyphs
import pytest

from mason.errors import TokenizerError
from mason.security.moves import INVISIBLE, homoglyphs, invisible
from mason.security.words import Words
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.text.cleaners import UNICODE
from mason.text.cleaning import as_read, clean

ATTACKED = {
    "w\u200bo\u200drd\ufe0f": "word",
    "p\u0430yp\u0430l": "paypal",
    "\u0435\u0445\u0441\u0435\u0440t f\u043er": "except for",
    "ax\x08b": "ab",
    "wh\U000e0101at": "what",
    "\u597d\ufe00\u5403\u200b": "\u597d\u5403",
    "\U0001d421\U0001d41e\U0001d425\U0001d425\U0001d428": "hello",
    # Boucher et al.'s swap: shown as "ab".
    "\u202d\u2066\u202e\u2066b\u2069\u2066a\u2069\u202c\u2069\u202c": "ab",
}
ORDINARY = (
    "Привет, как дела? сора",
    "Το όνομα μου είναι Γιώργος ο α",
    "می\u200cخواهم کتاب\u200cها",
    "👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3 👍🏽",
    "क\u094d\u200dष हिन्दी",
    "你好，世界！ＡＢＣ１２３",
    "日本語のテキスト、カタカナ",
    "café naïve Straße kadın ısı",
    "α-helix of 5 μm, ΔT, Ω, β",
    "שלום עולם",
    "e = mc² — “quotes” … ﬁ ½ № ™ ℃",
    "Москва (Moscow) is большой",
)


@pytest.mark.parametrize(("text", "meant"), ATTACKED.items())
def test_attacks_are_undone(text: str, meant: str) -> None:
    assert clean(text) == meant


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_writing_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("make", [homoglyphs, invisible])
def test_every_move_of_the_attacks_is_undone(make: object) -> None:
    move, text = make(3), "What is the capital of the largest country in Europe ?"  # type: ignore[operator]
    words = Words.of(text)
    tries = [word for place in range(len(words)) for word in move(words, place)]
    assert len(tries) > 30
    for place in range(len(words)):
        for word in move(words, place):
            assert clean(str(words.changed(place, word))) == text


def test_most_of_unicodes_own_lookalikes_are_undone() -> None:
    """An attacker with another table: that of Technical Standard 39."""
    file = Path(confusable_homoglyphs.__file__).parent / "confusables.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    scripts = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "MATHEMATICAL", "FULLWIDTH")
    pairs = [
        (letter, one["c"])
        for letter in string.ascii_letters
        for one in table.get(letter, [])
        if len(one["c"]) == 1 and one["n"].startswith(scripts)
    ]
    undone = [clean(f"the wo{c}rd was here") == f"the wo{letter}rd was here" for letter, c in pairs]
    assert len(pairs) > 900 and sum(undone) > 0.92 * len(pairs)


def test_places_lead_back_to_the_text_as_given() -> None:
    text = "a\u200b\u200bn \u0430pple"
    found = as_read(text)
    assert found.text == "an apple"
    assert [text[i] for i in found.origins] == list("an \u0430pple")
    assert found.span(3, 8) == (5, 10)
    assert found.span(8, 8) == (10, 10)


def test_deep_nesting_of_marks_is_no_stack_overflow() -> None:
    assert clean("\u202e" * 20_000 + "ab") in ("ab", "ba")


def test_tokenizer_reads_cleaned_text_and_spans_the_users_own() -> None:
    plain = load_tokenizer(find_model("all-MiniLM-L6-v2"))
    clean_one = plain.cleaning(UNICODE)
    attacked = "w\u043erth every penny"
    assert clean_one.encode_ids([attacked]) == plain.encode_ids(["worth every penny"])
    assert plain.encode_ids([attacked]) != plain.encode_ids(["worth every penny"])
    (encoding,) = clean_one.encode(["an\u200b\u200b apple"])
    assert [("an\u200b\u200b apple")[a:b] for a, b in encoding.spans[1:-1]] == ["an", "apple"]
    assert plain.fingerprint != clean_one.fingerprint and plain.cleaner is None
    assert clean_one.cleaning(None).fingerprint == plain.fingerprint
    with pytest.raises(TokenizerError, match="does not know"):
        plain.cleaning("unicode-99")


def test_random_insertions_leave_no_trace() -> None:
    draw = random.Random(0)
    for _ in range(200):
        text = "Which river flows through Vienna ?"
        attacked = "".join(c + draw.choice(INVISIBLE) * draw.randrange(3) for c in text)
        assert clean(attacked) == text


def test_words_of_two_other_scripts_pose_whatever_letters_there_are_more_of() -> None:
    # Ten letters of Greek or Cyrillic that are only nearly alike, and two Latin ones.
    assert clean("Ꮃհҽη ԁіԁ Ιrаԛι τrօօρꜱ ɪռᴠɑԁε Ꮶսᴡɑɪт ?") == "When did Iraqi troops invade Kuwait ?"
    assert clean("την και των") == "την και των"
