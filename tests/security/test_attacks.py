"""The search, its limits and its figures, on victims whose answers are known."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

import mason
from mason.errors import SettingsError
from mason.security import moves
from mason.security.attacks import find_attacks
from mason.security.chinese import glyphs, homophones, traditional
from mason.security.gradients import universal_trigger
from mason.security.limits import Limits
from mason.security.moves import typos
from mason.security.neighbours import WordVectors
from mason.security.search import attack_text
from mason.security.summary import summarise, wilson
from mason.security.victims import Inside, Victim
from mason.security.words import Words

TEXT = "It was a wonderful evening, with friends."


def _answer(texts: Sequence[str]) -> np.ndarray:
    """Sure of class 1 where it reads "wonderful", and a little of each word."""
    found = [0.9 if "wonderful" in t else 0.3 + 0.01 * len(t.split()) for t in texts]
    return np.array([[1 - p, p] for p in found])


def test_the_word_that_counts_is_found_and_changed() -> None:
    victim = Victim(_answer)
    outcome = attack_text(victim, TEXT, 1, typos(), Limits())
    assert outcome.success and outcome.changed == 1 and outcome.queries == victim.queries
    assert "wonderful" not in outcome.attacked
    assert outcome.attacked.startswith("It was a ") and outcome.attacked.endswith(" friends.")
    again = attack_text(Victim(_answer), TEXT, 1, typos(), Limits())
    assert again == outcome


def test_limits_hold() -> None:
    few = attack_text(Victim(_answer), TEXT, 1, typos(), Limits(max_queries=5))
    assert few.queries <= 5 + len(Words.of(TEXT)) and not few.success

    def far(_text: str, others: Sequence[str]) -> np.ndarray:
        return np.zeros(len(others))

    none = attack_text(Victim(_answer), TEXT, 1, typos(), Limits(min_similarity=0.5), far)
    assert none.attacked == TEXT and not none.success
    wrong = attack_text(Victim(_answer), TEXT, 0, typos(), Limits())
    assert not wrong.tried and wrong.queries == 1


@pytest.mark.parametrize("attack", ["typos", "homoglyphs", "invisible", "disguise"])
def test_moves_change_one_word_and_repeat(attack: str) -> None:
    words = Words.of(TEXT)
    move, again = (getattr(moves, attack)(5) for _ in range(2))
    place = words.words.index("wonderful")
    tries = list(move(words, place))
    assert tries and tries == list(again(words, place))
    assert all(str(words.changed(place, word)) != TEXT for word in tries)


def test_chinese_moves() -> None:
    words = Words.of("这家饭店很好，服务员态度差。")
    place = next(i for i, word in enumerate(words.words) if "服" in word)
    sounds = homophones()(words, place)
    assert sounds and all(len(word) == len(words.words[place]) for word in sounds)
    assert any("務" in word for word in traditional()(words, place))
    bad = next(i for i, word in enumerate(words.words) if "差" in word)
    assert any("羞" in word for word in glyphs()(words, bad))


def test_chinese_words_have_the_vectors_of_their_characters() -> None:
    model = mason.load("all-MiniLM-L6-v2", task="embedding")
    table = Inside(model.network, model.tokenizer, model.encode).table  # type: ignore[attr-defined]
    named = {"中国", "国中", "大山", "天日", "饭店"}
    words = WordVectors(model.tokenizer, table, named)
    known = named & set(words.words)
    assert {"中国", "国中"} <= known and "饭店" not in known, "it has no token for 饭"
    assert words.near("中国", 1, 0.9) == ("国中",), "of the same characters"
    ids = model.tokenizer.encode_ids(["大山"], special=False)[0]
    assert len(ids) == 2
    assert torch.allclose(words.rows[words.places["大山"]], table[ids].float().mean(0).cpu())
    alone = find_attacks("words", chinese_text=True)[0]
    assert alone.limits.min_similarity is None, "the usual encoder reads English"


def test_words_put_together_are_the_text() -> None:
    for text in (TEXT, "  two  spaces ", "", "?!", "don't stop", "你好 world"):
        assert str(Words.of(text)) == text


@pytest.mark.parametrize(("hits", "trials"), [(0, 7), (7, 7), (3, 11), (90, 200)])
def test_wilson_is_scipys(hits: int, trials: int) -> None:
    ours = wilson(hits, trials)
    theirs = binomtest(hits, trials).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_summary_counts_what_was_turned() -> None:
    outcomes = [attack_text(Victim(_answer), TEXT, label, typos(), Limits()) for label in (1, 0)]
    told = summarise(outcomes)
    assert (told.clean.value, told.under_attack.value, told.success.value) == (0.5, 0.0, 1.0)
    assert told.changed == pytest.approx(1 / 7)


def test_no_words_to_make_a_phrase_of_are_said() -> None:
    model = mason.load("all-MiniLM-L6-v2", task="embedding")
    inside = Inside(model.network, model.tokenizer, model.encode)  # type: ignore[attr-defined]
    words = WordVectors(model.tokenizer, inside.table)
    words.rows, words.words = words.rows[:0], []
    with pytest.raises(SettingsError, match="no whole words"):
        universal_trigger(inside, words, ["a"], [0])


def test_a_least_cosine_of_0_is_0() -> None:
    assert Limits(min_similarity=0.0).least_similarity == 0.0 and Limits().least_similarity == -1.0


def test_unknown_attack_is_refused() -> None:
    with pytest.raises(SettingsError, match="no attack 'magic'"):
        find_attacks("typos,magic")
