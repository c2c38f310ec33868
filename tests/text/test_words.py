"""Where words begin: hand-written sentences through tokenizers learned in the test."""

import subprocess
import sys

import numpy as np
import pytest

from mason.text.tokenizers import Tokenizer
from mason.text.trainers import KINDS, Kind, train_tokenizer
from mason.text.words import WordStarts, chinese_words

ENGLISH = "Unhappily, the riverside café didn't reopen (again)."
WORDS = "Unhappily|,|the|riverside|café|didn|'|t|reopen|(|again|)|."
CHINESE = "我们在南京市长江大桥上看见了一只大熊猫，2024年。"
CUT = "我们|在|南京市|长江大桥|上|看见|了|一只|大熊猫|，|2024|年|。"
TEXTS = 9 * [
    "un the unhappily river riverhappily reopen side happily open again un re",
    "我们看见了一只猫在桥上",
    "南京市 café",
]


def _tokenizer(kind: Kind) -> Tokenizer:
    return train_tokenizer(TEXTS, kind=kind, vocab_size=420)


def _groups(starts: WordStarts, tokenizer: Tokenizer, text: str) -> list[list[str]]:
    ids = np.array(tokenizer.encode_ids([text], special=False)[0])
    parts = np.split(ids, np.flatnonzero(starts(ids))[1:])
    return [tokenizer.pieces(part.tolist()) for part in parts]


def _spelled(starts: WordStarts, tokenizer: Tokenizer, text: str) -> str:
    ids = np.array(tokenizer.encode_ids([text], special=False)[0])
    parts = np.split(ids, np.flatnonzero(starts(ids))[1:])
    words = [b"".join(starts.bytes[i] for i in part) for part in parts]
    return "|".join(word.decode("utf-8", "replace") for word in words if word)


@pytest.mark.parametrize("kind", ["bpe", "byte-bpe"])
def test_words_of_english(kind: Kind) -> None:
    tokenizer = _tokenizer(kind)
    assert tokenizer.encode_ids(["Unhappily"], special=False)[0][1:], "it must be cut to tell"
    assert _spelled(WordStarts(tokenizer), tokenizer, ENGLISH) == WORDS


def test_pieces_of_wordpiece_go_to_their_word() -> None:
    tokenizer = _tokenizer("wordpiece")
    found = _groups(WordStarts(tokenizer), tokenizer, "happilyopen, the riverhappily reopen")
    joined = ["".join(p.removeprefix("##") for p in word) for word in found]
    assert joined == ["happilyopen", "[UNK]", "the", "riverhappily", "reopen"]
    assert len(found[0]) > 1


def test_pieces_of_unigram_go_to_their_word() -> None:
    tokenizer = _tokenizer("unigram")
    found = _groups(WordStarts(tokenizer), tokenizer, "the riverside happily reopen")
    assert ["".join(word) for word in found] == ["▁the", "▁riverside", "▁happily", "▁reopen"]


@pytest.mark.parametrize("kind", ["bpe", "byte-bpe"])
def test_words_of_chinese(kind: Kind) -> None:
    """Most of these characters are bytes to the tokenizer; a word keeps its bytes together."""
    tokenizer = train_tokenizer(TEXTS[:1], kind=kind, vocab_size=420)
    assert _spelled(WordStarts(tokenizer, chinese_words()), tokenizer, CHINESE) == CUT


def test_a_piece_that_holds_the_end_of_one_word_is_of_the_word_it_begins_in() -> None:
    tokenizer = train_tokenizer(["看见了一只"] * 9, kind="bpe", vocab_size=420)
    assert len(tokenizer.encode_ids(["看见了一只"], special=False)[0]) == 1
    found = _spelled(WordStarts(tokenizer, chinese_words()), tokenizer, "看见了一只大熊猫")
    assert found == "看见了一只|大熊猫"


def test_chinese_characters_of_wordpiece_go_to_their_word() -> None:
    tokenizer = train_tokenizer([CHINESE] * 9, kind="wordpiece", vocab_size=420)
    cut, alone = WordStarts(tokenizer, chinese_words()), WordStarts(tokenizer)
    assert _groups(cut, tokenizer, CHINESE)[2:4] == [list("南京市"), list("长江大桥")]
    assert _groups(alone, tokenizer, CHINESE)[3:6] == [["南"], ["京"], ["市"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_chinese_in_an_english_text(kind: Kind) -> None:
    tokenizer = train_tokenizer([CHINESE, *TEXTS], kind=kind, vocab_size=460)
    text = "the river 南京市 again"
    found = _spelled(WordStarts(tokenizer, chinese_words()), tokenizer, text)
    assert found == "the|river|南京市|again"


def test_nothing_is_unmarshalled_from_the_folder_for_all() -> None:
    code = (
        "import marshal, jieba; marshal.load = marshal.dump = None; "
        "from mason.text.words import chinese_words; print(list(chinese_words()('长江大桥')))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['长江大桥']" and not told.stderr
