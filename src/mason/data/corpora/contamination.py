"""Evaluation texts that must not be learned from: their n-grams, and which documents hold one.

A document is left out where 13 words in a row, or 40 characters of Chinese, stand in an
evaluation text as well (Brown et al. 2020, appendix C, who cut the passage out instead). Case,
punctuation and spacing do not count. An evaluation text that is shorter than that is not
guarded.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mason.data.corpora.key_set import KeySet
from mason.data.corpora.span_hashes import codes_of, span_hashes
from mason.data.normal_form import normal_form

WORDS, CHARACTERS = 13, 40

_NOT_WORD = re.compile(r"[\W_]+")
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Guarded:
    """The n-grams of evaluation texts.

    Args:
        texts: Evaluation texts.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._keys = KeySet()
        for text in texts:
            self._keys.add(_gram_keys(text))

    def touches(self, text: str) -> bool:
        """Whether a document holds an n-gram of an evaluation text."""
        return bool(self._keys.holds(_gram_keys(text)).any())

    def __len__(self) -> int:
        return self._keys.num


def _gram_keys(text: str) -> npt.NDArray[np.uint64]:
    """A hash of every n-gram of a text."""
    plain = _NOT_WORD.sub(" ", normal_form(text)).strip()
    if len(_IDEOGRAPH.findall(plain)) > len(plain) / 3:
        size, codes = CHARACTERS, codes_of(plain.replace(" ", ""))
        begins = np.arange(len(codes))
        ends = begins + 1
    else:
        size, codes = WORDS, codes_of(plain)
        spaces = np.flatnonzero(codes == ord(" "))
        begins, ends = np.append(0, spaces + 1), np.append(spaces, len(codes))
    if len(begins) < size:
        return np.empty(0, np.uint64)
    return span_hashes(codes, begins[: len(begins) - size + 1], ends[size - 1 :])
