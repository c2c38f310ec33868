"""Vocabularies learned from real text, of every kind, read by transformers with equal ids."""

from pathlib import Path

import pytest

from mason.data.corpora.sentences import sentences
from mason.errors import TokenizerError
from mason.text import load_tokenizer
from mason.text.fertility import fit_of, script_of
from mason.text.trainers import KINDS, Kind, train_tokenizer
from tests.contracts.source_tree import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
LINES = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
ODD = [
    "Worth every penny!",
    "  two  spaces",
    "值得每一分钱。",
    "naïve café № 5",
    "\U0001f600",
    "[MASK]",
]


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_reads_the_same_ids(kind: Kind, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = train_tokenizer(LINES, kind=kind, vocab_size=1500)
    tokenizer.save(tmp_path)
    texts = [*LINES[:80], *ODD]
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    ours, again = tokenizer.encode_ids(texts), load_tokenizer(tmp_path).encode_ids(texts)
    assert ours == again
    # transformers lets the name of a special token inside a text act; Mason does not.
    plain = [i for i, text in enumerate(texts) if "[MASK]" not in text and "<" not in text]
    assert theirs([texts[i] for i in plain])["input_ids"] == [ours[i] for i in plain]
    assert tokenizer.num_tokens == 1500


@pytest.mark.parametrize("kind", ["bpe", "byte-bpe"])
def test_byte_kinds_lose_nothing(kind: Kind) -> None:
    fit = fit_of(train_tokenizer(LINES, kind=kind, vocab_size=1500), [*LINES, *ODD])
    assert fit.lossless == 1.0 and fit.unknown == 0.0


@pytest.mark.parametrize("kind", ["wordpiece", "byte-bpe"])
def test_sentence_by_sentence_a_text_has_the_same_pieces(kind: Kind) -> None:
    tokenizer = train_tokenizer(LINES, kind=kind, vocab_size=1500)
    text = "So it was. Nobody knew.\n    return x\n\n他来了。她走了！(The end.) Yes."
    by_sentence = tokenizer.encode_ids(sentences(text), special=False)
    whole = tokenizer.encode_ids([text], special=False)[0]
    assert [i for ids in by_sentence for i in ids] == list(whole)


def test_wordpiece_cuts_chinese_into_characters() -> None:
    tokenizer = train_tokenizer(LINES, kind="wordpiece", vocab_size=1500)
    ids = tokenizer.encode_ids(["模型和数据"], special=False)[0]
    assert tokenizer.pieces(ids) == ["模", "型", "和", "数", "据"]
    assert fit_of(tokenizer, ["模型和数据"]).fertility == {"CJK": 1.0}


def test_larger_vocabularies_take_fewer_tokens() -> None:
    small, large = (
        fit_of(train_tokenizer(LINES, kind="byte-bpe", vocab_size=size), LINES)
        for size in (600, 2400)
    )
    assert large.bytes_per_token > 1.2 * small.bytes_per_token
    assert large.fertility["LATIN"] < small.fertility["LATIN"]
    assert (small.num_pieces, large.num_pieces) == (600, 2400)


def test_what_cannot_be_learned_is_told() -> None:
    with pytest.raises(TokenizerError, match="at least"):
        train_tokenizer(LINES, vocab_size=100)
    with pytest.raises(TokenizerError, match="no text"):
        train_tokenizer(["", "  "], vocab_size=1000)


@pytest.mark.parametrize(
    ("word", "script"), [("a", "LATIN"), ("值", "CJK"), ("7", "DIGIT"), ("ж", "CYRILLIC")]
)
def test_scripts(word: str, script: str) -> None:
    assert script_of(word) == script
