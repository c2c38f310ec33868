"""Ids looked up word by word: those of the tokenizer itself, whatever stands in the text."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, trainers

from mason.errors import TokenizerError
from mason.text import Tokenizer
from mason.text import word_memory as module
from mason.text.building import words
from mason.text.byte_joins import ByteJoins
from mason.text.cleaners import UNICODE
from mason.text.runs import Runs
from mason.text.trainers import KINDS, train_tokenizer
from mason.text.word_memory import WordMemory
from tests.text.tiny import TEXT, TOKENIZERS, tiny

LEARNED = " ".join([*TEXT, "a  b    c\n\n\nd \t e naïve Straße ΣΊΣΥΦΟΣ ½ x\u0301y ... 12345"])
# What a normalizer takes out, splits or joins; white space of every kind; names of marks.
ODD = (
    *"\u0301 ¨ \u200b \ufeff \u00ad ▁ ▁x Ġ İ ǅ ﬁne 🎉 👩‍👩‍👧 \u0600 ภาษา 한국어".split(" "),
    *"一\u0301 㐀 𠀀 豈 ... 's 'll 5 42 [UNK]x [MASK] <s> </s> <mask> <extra_id_3>".split(" "),
    *("\x00", "a\x1cb", "\x1c", "\x0b", "\t", "\r\n", "\u00a0", "\u2028", "\u3000", "\u3000\x1cx"),
)
PARTS = st.sampled_from([*LEARNED.split(), *ODD]) | st.text(max_size=4)
SPACES = st.sampled_from([" ", " ", " ", "", "  ", "\n"])
TEXTS = st.lists(
    st.lists(st.tuples(SPACES, PARTS), max_size=9).map(lambda found: "".join(sum(found, ()))),
    max_size=20,
)


def assert_same(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """The memory, cold and warm, against the tokenizer."""
    memory, wanted = WordMemory(tokenizer), tokenizer.encode_ids(texts, special=False)
    for _ in range(2):
        found = memory(texts)
        assert found.lengths.tolist() == [len(ids) for ids in wanted]
        ends = np.cumsum(found.lengths)[:-1]
        parts = np.split(found.ids, ends) if texts else []
        assert [part.tolist() for part in parts] == wanted


def rebuilt(tokenizer: Tokenizer, **rules: Any) -> Tokenizer:
    """The same vocabulary behind other rules."""
    told = {name: json.loads(rule.__getstate__()) for name, rule in rules.items() if rule}
    backend = Backend.from_str(json.dumps(tokenizer.rules | dict.fromkeys(rules) | told))
    return Tokenizer(backend, tokenizer.config)


@pytest.fixture(scope="module")
def learned() -> dict[str, Tokenizer]:
    """A tokenizer of each kind that Mason learns, and one that keeps capitals."""
    found = {kind: train_tokenizer([LEARNED] * 3, kind=kind, vocab_size=500) for kind in KINDS}
    cased = train_tokenizer([LEARNED] * 3, kind="wordpiece", vocab_size=500, lowercase=False)
    return found | {"cased": cased}


@pytest.mark.parametrize("name", [*KINDS, "cased"])
@given(TEXTS)
def test_tokenizers_of_every_kind(
    learned: dict[str, Tokenizer], name: str, texts: list[str]
) -> None:
    assert WordMemory(learned[name]).cut.by_words
    assert_same(learned[name], texts)


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "llama-bpe", "qwen2"])
@given(TEXTS)
def test_words_of_decoders(learned: dict[str, Tokenizer], name: str, texts: list[str]) -> None:
    for cleaning in (None, normalizers.NFC(), normalizers.NFKC()):
        tokenizer = rebuilt(learned["byte-bpe"], pre_tokenizer=words(name), normalizer=cleaning)
        assert WordMemory(tokenizer).cut.by_words
        assert_same(tokenizer, texts)


@pytest.mark.parametrize(
    "step",
    [
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.Metaspace(prepend_scheme="first"),
        pre_tokenizers.Metaspace(prepend_scheme="never"),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace()]),
        pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits()]),
    ],
    ids=str,
)
@given(TEXTS)
def test_other_ways_to_cut(learned: dict[str, Tokenizer], step: Any, texts: list[str]) -> None:
    kind = "byte-bpe" if isinstance(step, pre_tokenizers.ByteLevel) else "unigram"
    tokenizer = rebuilt(learned[kind], pre_tokenizer=step)
    assert WordMemory(tokenizer).cut.by_words
    assert_same(tokenizer, texts)


@pytest.mark.parametrize(
    "cleaning",
    [
        normalizers.BertNormalizer(handle_chinese_chars=False),
        normalizers.BertNormalizer(clean_text=False, strip_accents=False),
        normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()]),
    ],
    ids=str,
)
@given(TEXTS)
def test_other_cleaning(learned: dict[str, Tokenizer], cleaning: Any, texts: list[str]) -> None:
    tokenizer = rebuilt(learned["wordpiece"], normalizer=cleaning)
    assert WordMemory(tokenizer).cut.by_words
    assert_same(tokenizer, texts)


def test_tokenizers_in_use(minilm: Tokenizer, smollm2: Tokenizer) -> None:
    texts = [*TEXT, "", "\n\n", f"  {LEARNED}", *ODD, " ".join(ODD)]
    for tokenizer in (minilm, smollm2, *map(tiny, TOKENIZERS)):
        assert WordMemory(tokenizer).cut.by_words
        assert_same(tokenizer, texts)


def test_texts_that_grow_together_are_encoded_alone(learned: dict[str, Tokenizer]) -> None:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = words("smollm")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        ["ab\n 1"] * 9, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    )
    grown = Tokenizer(backend, {})
    assert WordMemory(grown).cut.by_bytes and "ĊĠ" in grown.vocabulary()
    for tokenizer in (grown, learned["byte-bpe"]):
        texts = [
            " ab",
            " 1",
            "ab",
            " ",
            "",
            "\n",
            "\n\n",
            " 1",
            " a",
            "\na",
            "1",
            "  a",
            "a ",
            " b",
        ]
        found, wanted = ByteJoins(tokenizer)(texts), tokenizer.encode_ids(texts, special=False)
        rows = np.arange(len(texts))
        assert [found.taken(rows[i : i + 1]).ids.tolist() for i in rows] == wanted


def test_rules_that_look_across_spaces_keep_texts_whole(learned: dict[str, Tokenizer]) -> None:
    bytes_, unigram = learned["byte-bpe"], learned["unigram"]
    named = Backend.from_str(json.dumps(bytes_.rules))
    named.add_tokens(["New York"])
    split = pre_tokenizers.WhitespaceSplit()
    for tokenizer in (
        Tokenizer(named, bytes_.config),
        rebuilt(bytes_, pre_tokenizer=None),
        rebuilt(bytes_, normalizer=normalizers.StripAccents()),
        rebuilt(bytes_, normalizer=normalizers.Replace("a b", "c")),
        rebuilt(unigram, pre_tokenizer=pre_tokenizers.Metaspace(split=False)),
        rebuilt(
            unigram,
            pre_tokenizer=pre_tokenizers.Sequence(
                [split, pre_tokenizers.Metaspace(prepend_scheme="first")]
            ),
        ),
        learned["wordpiece"].cleaning(UNICODE),
    ):
        assert not WordMemory(tokenizer).cut.by_words
        assert_same(tokenizer, [*TEXT, "in New York", "a b", "a \u0301 \u0301 b", *ODD])


def test_a_full_memory_begins_anew(
    learned: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WORDS", 20)
    memory = WordMemory(learned["wordpiece"])
    for text in [*TEXT, *TEXT]:
        (wanted,) = learned["wordpiece"].encode_ids([text], special=False)
        assert memory([text]).ids.tolist() == wanted
        assert len(memory._numbers) < 60


def test_half_a_character_is_refused_and_forgotten(learned: dict[str, Tokenizer]) -> None:
    memory = WordMemory(learned["wordpiece"])
    with pytest.raises(TokenizerError, match="surrogate"):
        memory(["the \ud800 cat"])
    wanted = Runs.of(learned["wordpiece"].encode_ids(["the cat"], special=False))
    assert memory(["the cat"]).ids.tolist() == wanted.ids.tolist()
