"""What the page's tokenizer must know to cut texts as the ``tokenizers`` library does.

Which characters are marks, punctuation and control characters is asked of the library, for it
and each browser know other versions of Unicode.
"""

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from mason.errors import SettingsError
from mason.text import Tokenizer

_PARTING = "\ua000"
"""A letter that no other is made of."""

_PROBED = (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000))
"""Code points where something else than letters and nothing is; half pairs are no characters."""
_PRIVATE = [0xF0000, 0xFFFFD, 0x100000, 0x10FFFD]
"""Ranges for private use, which are dropped as a whole."""


def wordpiece_of(tokenizer: Tokenizer, most: int) -> dict[str, Any]:
    """What the page's tokenizer must know.

    Raises:
        SettingsError: The tokenizer is not BERT's.
    """
    rules = tokenizer.rules
    kinds = {part: (rules[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")}
    normal, words = rules["normalizer"], rules["model"]
    plain = all(token["special"] for token in rules["added_tokens"])
    wanted = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
    if words["type"] != "WordPiece" or kinds != wanted or not plain:
        raise SettingsError(
            "A page reads text as BERT does (WordPiece), and this model's tokenizer is of the "
            "kind {kind}; export it as onnx.",
            kind=words["type"],
        )
    vocabulary = {**words["vocab"], **{t["content"]: t["id"] for t in rules["added_tokens"]}}
    pieces = [""] * (1 + max(vocabulary.values()))
    for piece, id in vocabulary.items():
        pieces[id] = piece
    ends = tokenizer.encode_ids([""])[0]
    lowercase = bool(normal["lowercase"])
    strip = lowercase if normal["strip_accents"] is None else bool(normal["strip_accents"])
    return {
        "vocabulary": pieces,
        "unknown": vocabulary[words["unk_token"]],
        "prefix": words["continuing_subword_prefix"],
        "longest": words["max_input_chars_per_word"],
        "begin": ends[:1],
        "end": ends[1:],
        "most": most,
        **_classes(),
        "clean": normal["clean_text"],
        "ideographs": normal["handle_chinese_chars"],
        "accents": not strip,
        "lowercase": lowercase,
    }


@cache
def _classes() -> dict[str, list[int]]:
    """Ranges of code points as a flat list: first and last of each."""

    def normal(*, clean: bool, strip: bool) -> Callable[[str], str]:
        how = normalizers.BertNormalizer(
            clean_text=clean, handle_chinese_chars=False, strip_accents=strip, lowercase=False
        )
        return how.normalize_str

    points = [p for p in _PROBED if unicodedata.category(chr(p))[0] not in "LNZ"]
    dropped = (_dropped(points, normal(clean=clean, strip=not clean)) for clean in (True, False))
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(_PARTING.join(map(chr, points)))
    alone = {ord(word) for word, _ in words if len(word) == 1 and word != _PARTING}
    names = ("control", "marks", "punctuation")
    found = {n: _ranges(sorted(s)) for n, s in zip(names, (*dropped, alone), strict=True)}
    found["control"] += _PRIVATE
    return found


def _dropped(points: list[int], normal: Callable[[str], str]) -> Iterator[int]:
    """Those that a normaliser takes out; the letter between them keeps them apart."""
    apart = _PARTING.join("a" if p == ord(_PARTING) else chr(p) for p in points)
    kept = normal(apart).split(_PARTING)
    assert len(kept) == len(points), "a character became the letter that parts them"
    return (p for p, left in zip(points, kept, strict=True) if not left)


def _ranges(points: list[int]) -> list[int]:
    found: list[int] = []
    for point in points:
        if found and point == found[-1] + 1:
            found[-1] = point
        else:
            found += [point, point]
    return found
