"""Where words begin among the tokens of a text, for objectives that hide whole words."""

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mason.errors import SettingsError
from mason.text.tokenizers import Tokenizer

Truths = npt.NDArray[np.bool_]
Cut = Callable[[str], Iterable[str]]
"""The words of a run of Chinese characters, in order."""

_HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_SPACES = ("Ġ", "Ċ", "▁")
_LEADS = (*range(0xE2, 0xEA), 0xEF, 0xF0)
"""First bytes, in UTF-8, of what may be Chinese or its punctuation."""
_REMEMBERED = 1 << 16
"""Runs of Chinese whose words are kept: about 20 MB."""


class WordStarts:
    """True at tokens that begin a word, from tables over the vocabulary.

    A piece that continues a word is spelled so: ``##`` before it in WordPiece, no ``Ġ`` or
    ``▁`` in the others. Punctuation is a word of its own. Chinese is written without spaces:
    there ``cut`` finds the words (Cui et al. 2021).

    Args:
        tokenizer: Whose pieces they are.
        cut: None: each piece of Chinese that its tokenizer made is a word.
    """

    def __init__(self, tokenizer: Tokenizer, cut: Cut | None = None) -> None:
        rules = tokenizer.rules
        prefix = rules["model"].get("continuing_subword_prefix") or ""
        letters = _byte_letters() if "ByteLevel" in str(rules["pre_tokenizer"]) else {}
        pieces = tokenizer.pieces(range(tokenizer.num_tokens))
        self.bytes = [_bytes_of(piece, prefix, letters) for piece in pieces]
        texts = [spelled.decode("utf-8", "ignore") for spelled in self.bytes]
        if rules["model"]["type"] == "WordPiece":
            marked = np.array([not piece.startswith(prefix) for piece in pieces])
        else:
            marked = np.array([piece.startswith(_SPACES) for piece in pieces])
        alone = np.array([text != "" and not text[0].isalnum() for text in texts])
        whole = np.array([_HAN.fullmatch(text) is not None for text in texts])
        first = np.array([spelled[0] if spelled else 0 for spelled in self.bytes])
        part = (first > 0) & np.array([text == "" for text in texts])  # of a character
        self.inner: Truths = first & 0xC0 == 0x80  # within a character that is cut into bytes
        self.han: Truths = whole | (part & (first >= 0xE4) & (first <= 0xE9))
        self.chinese: Truths = whole | (part & (self.inner | np.isin(first, _LEADS)))
        self.opens: Truths = (marked | alone | self.chinese) & ~self.inner
        self.closes: Truths = alone | whole
        self._cut = cut
        self._inside = lru_cache(_REMEMBERED)(self._chinese_starts)

    def __call__(self, ids: npt.NDArray[Any]) -> Truths:
        """Whether each token of a text begins a word, shape (n,)."""
        begins: Truths = self.opens[ids]
        begins[1:] |= self.closes[ids[:-1]] & ~self.inner[ids[1:]]
        begins[:1] = True
        if self._cut is None:
            return begins
        edges = np.flatnonzero(np.diff(self.chinese[ids], prepend=False, append=False))
        for first, last in edges.reshape(-1, 2).tolist():
            if self.inner[ids[first]]:
                continue  # the rest of another script's character
            begins[first:last] = self._inside(tuple(ids[first:last].tolist()))
            begins[last : last + 1] = True
        return begins

    def _chinese_starts(self, ids: tuple[int, ...]) -> Truths:
        """The same within a run of Chinese: a token is of the word that its start is in."""
        assert self._cut is not None
        spelled = [self.bytes[i] for i in ids]
        text = b"".join(spelled).decode("utf-8", "replace")
        words = [len(word) for word in self._cut(text)]
        word_of = np.repeat(np.arange(len(words)), words)
        characters = [sum(b & 0xC0 != 0x80 for b in piece) for piece in spelled]
        inner = self.inner[list(ids)]
        at = (np.cumsum([0, *characters[:-1]]) - inner).clip(0, len(word_of) - 1)
        begins: Truths = (np.diff(word_of[at], prepend=-1) > 0) & ~inner
        return begins


@cache
def chinese_words() -> Cut:
    """The words of Chinese by jieba.

    Raises:
        SettingsError: It is not installed.
    """
    try:
        import jieba
    except ModuleNotFoundError:
        raise SettingsError(
            'Hiding whole Chinese words needs jieba: pip install "mason-lm[zh]", or choose '
            "--training.mask-unit token."
        ) from None
    cutter = jieba.Tokenizer()
    # Its own way to begin reads a marshalled cache from a folder that everybody can write to.
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    cut: Cut = cutter.cut
    return cut


def _byte_letters() -> dict[str, int]:
    """GPT-2's letter for each byte: its own where it can be seen, else one from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in seen]
    return {chr(b): b for b in seen} | {chr(256 + i): b for i, b in enumerate(rest)}


def _bytes_of(piece: str, prefix: str, spelled: dict[str, int]) -> bytes:
    """What a piece spells in UTF-8, the sign of a continued or a new word left out."""
    if spelled and all(letter in spelled for letter in piece):
        return bytes(spelled[letter] for letter in piece).lstrip()
    if re.fullmatch("<0x[0-9A-F]{2}>", piece):
        return bytes([int(piece[3:5], 16)])
    text = piece.removeprefix(prefix) if prefix else piece
    return text.lstrip("▁").encode("utf-8", "replace")
