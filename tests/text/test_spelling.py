"""Words put right: edits undone, words that are known or too far left alone, spans kept."""

import random
from itertools import product
from pathlib import Path

import pytest

from mason.catalog import find
from mason.data.tables import read
from mason.errors import CheckpointError
from mason.security.moves import disguise, typos
from mason.security.words import Words
from mason.sources import find_model
from mason.text import InputContract, Tokenizer, behind_its_cleaner, load_tokenizer
from mason.text.cleaners import SPELLING, UNICODE
from mason.text.spelling import Speller
from mason.text.usage import EDGE, USAGE_FILE, Usage
from mason.text.vocabulary import trimmed

WORDS = "the of what is it capital who how star start horse in to into".split()


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
    assert Speller(Usage(WORDS))(given).text == read


def test_the_more_frequent_of_two_words_is_meant() -> None:
    assert Speller(Usage(["who", "how"]))("hwo").text == "who"  # two letters swapped give either
    assert Speller(Usage(["how", "who"]))("hwo").text == "how"


OTHERS = ["".join(letters) for letters in product("qxz", repeat=7)]
"""Of a vocabulary most words are rare."""
TEXTS = [
    text.format(thing)
    for thing in "moon sun bridge river house garden letter window".split()
    for text in (
        "How many are there, {}?",
        "Who is it, {}?",
        "What does {} stand for?",
        "What does it stand for, {}?",
    )
]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Hwo many are there?", "How many are there?"),  # either of two, by what follows
        ("Hwo is it?", "Who is it?"),
        ("Wo is it?", "Who is it?"),
        ("What does it sand for?", "What does it stand for?"),  # a word that is one by itself
        ("Sand is it?", "Sand is it?"),
        ("Who is 1st?", "Who is 1st?"),
        ("Who is s4nd, 3D, the g3, 10k, X9?", "Who is sand, 3D, the g3, 10k, X9?"),
        ("Mustn't it stand?", "Mustn't it stand?"),
    ],
)
def test_neighbours_say_which_word_was_meant(given: str, read: str) -> None:
    assert Speller(Usage.of(TEXTS, [*WORDS, "ist", *OTHERS, "sand"]))(given).text == read


def test_what_one_text_says_is_not_kept() -> None:
    secrets = ["My password is hunter, hunter.", "身份证号是110101199001011234", "Call 5550199 it."]
    usage = Usage.of([*TEXTS, *secrets, *secrets])
    assert usage.words[EDGE] == len(TEXTS) + len(secrets)
    assert {"what", "stand"} <= usage.words.keys() and usage.following["how"]["many"] == 8
    told = str(usage.to_dict())
    assert not any(word in told for word in ("hunter", "password", "110101", "555"))
    for before in ("how", "is", "unheard", EDGE):
        after = {*usage.words, EDGE, "unheard"}
        shares = sum(usage.share(word, before, 1 / len(after)) for word in after)
        assert 0.5 < shares < 1 + 1e-9, "what was seen once has its share, and is not named"


def test_an_endless_word_takes_no_time() -> None:
    """Its edits would be gigabytes."""
    endless = "ab" * 200_000
    assert Speller(Usage(WORDS))(f"teh {endless}").text == f"the {endless}"
    hostile = Usage([*WORDS, endless], {endless: 2})  # a table may say that such a word exists
    assert Speller(hostile)(f"teh {endless}").text == f"the {endless}"


def test_every_letter_knows_where_it_stood() -> None:
    given = "wh at is\u200b teh captial?"
    found = Speller(Usage(WORDS))(given)
    assert found.text == "what is the capital?" and len(found.origins) == len(found.text)
    for word, stood in (("what", "wh at"), ("the", "teh"), ("capital", "captial"), ("?", "?")):
        start = found.text.index(word)
        span = found.span(start, start + len(word))
        assert given[slice(*span)] == stood


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(find_model("all-MiniLM-L6-v2"))


def test_a_model_keeps_what_it_saw_of_words(tokenizer: Tokenizer, tmp_path: Path) -> None:
    behind = tokenizer.cleaning(SPELLING, Usage.of(TEXTS, tokenizer.whole_words))
    contract = InputContract.of(behind)
    behind.save(tmp_path)
    again = behind_its_cleaner(load_tokenizer(tmp_path), contract, tmp_path)
    contract.check(InputContract.of(again))
    assert again.encode_ids(["Hwo many?"]) == tokenizer.encode_ids(["How many?"])
    assert again.fingerprint != tokenizer.cleaning(SPELLING, Usage.of(TEXTS[:9])).fingerprint


def test_a_smaller_vocabulary_reads_texts_as_the_whole_one_did(tokenizer: Tokenizer) -> None:
    questions = [str(text) for text in read(find("trec").build()).texts("text")[:400]]
    behind = tokenizer.cleaning(SPELLING, Usage.of(questions[:200], tokenizer.whole_words))
    smaller, _ = trimmed(behind, {i for ids in behind.encode_ids(questions[:200]) for i in ids})
    assert len(smaller.whole_words) < len(behind.whole_words) / 10
    whole, less = behind._reads, smaller._reads
    assert whole is not None and less is not None
    assert all(whole(text) == less(text) for text in questions)


@pytest.mark.parametrize(
    "told",
    [
        '{"known": [], "words": {"a": "b"}, "following": {}}',
        '{"known": [], "words": {}, "following": {"a": 1}}',
        '{"known": [1], "words": {}, "following": {}}',
        '{"known": [], "words": {}, "following": {}, "more": 1}',
        '{"known": [], "words": {"a": 1%s}, "following": {}}' % ("0" * 400),
    ],
)
def test_a_table_that_is_none_is_refused(told: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    contract = InputContract.of(tokenizer.cleaning(SPELLING))
    with pytest.raises(CheckpointError, match="missing"):
        behind_its_cleaner(tokenizer, contract, tmp_path)
    (tmp_path / USAGE_FILE).write_text(told, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"spelling\.json is no table"):
        behind_its_cleaner(tokenizer, contract, tmp_path)


def test_a_tokenizer_knows_its_own_words(tokenizer: Tokenizer) -> None:
    words = tokenizer.whole_words
    assert len(words) > 20_000 and list(words.values()) == sorted(words.values())
    assert "the" in words and "##ing" not in words and "Ġthe" not in words
    behind = tokenizer.cleaning(SPELLING, Usage(tuple(words)))
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
    speller = Speller(Usage(list(tokenizer.whole_words)))
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
