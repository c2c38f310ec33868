"""A few numbers a document by which near copies are known, without the documents at hand.

One-permutation MinHash (Li, Owen and Zhang 2012): every gram is hashed once and falls into one
of 112 bins, whose least hash is kept; an empty bin borrows from the next that is not (Shrivastava
and Li 2014). The bins form 14 bands of 8, as in FineWeb (Penedo et al. 2024): two documents that
share a band count as near copies, which finds 92 % of the pairs whose sets of grams overlap by
0.8 (Jaccard), 99.9 % at 0.9, and takes 5 % at 0.5 for copies.

``minhash``, which has the texts and looks at each pair afterwards, can do with short grams. Here
nothing is looked at again, so a gram is the 12 characters from a word's beginning on, spaces left
out: unrelated texts then share almost none.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from mason.data.corpora.span_hashes import codes_of, span_hashes
from mason.data.normal_form import normal_form

NUM_BANDS, ROWS = 14, 8
GRAM = 12

_BINS = NUM_BANDS * ROWS
_MOST_CHARACTERS = 100_000
_BLOCK = 1 << 17
_EMPTY, _SPACE, _LAST = np.uint32(0xFFFFFFFF), ord(" "), 0xFFFF
_UNSPACED = 0x0E00
"""From Thai on there are scripts without spaces: there a gram begins at every character."""
_SEED = 20251125


def band_keys(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A key for each band of each text, shape ``(num_texts, NUM_BANDS)``.

    Case, width and spacing do not count; of a text the first 100,000 characters do.
    """
    keys = np.empty((len(texts), NUM_BANDS), np.uint64)
    start = 0
    while start < len(texts):
        block, size = [], 0
        for text in texts[start:]:
            block.append(text[:_MOST_CHARACTERS])
            size += len(block[-1])
            if size > _BLOCK:
                break
        keys[start : start + len(block)] = _bands(_sketches(block))
        start += len(block)
    return keys


def _sketches(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    # Every text ends in as many NULs as keep its grams apart from the next text's, and give a
    # short one a gram of its own.
    codes = codes_of("\0" + "".join(text + "\0" * GRAM for text in texts))
    ends = 1 + np.cumsum([len(text) + GRAM for text in texts])
    codes = np.where(codes < _LAST, _plain_codes()[np.minimum(codes, _LAST)], codes)
    kept, word = codes != _SPACE, (codes != _SPACE) & (codes != 0)
    places = np.flatnonzero(word[1:] & (~word[:-1] | (codes[1:] >= _UNSPACED))) + 1
    begins = (np.cumsum(kept) - 1)[places]
    hashes = span_hashes(codes[kept], begins, begins + GRAM)
    owners = np.searchsorted(ends, places, side="right")
    bins = ((hashes >> np.uint64(32)) * np.uint64(_BINS)) >> np.uint64(32)
    sketches = np.full(len(texts) * _BINS, _EMPTY)
    np.minimum.at(sketches, owners * _BINS + bins.astype(np.int64), hashes.astype(np.uint32))
    return _filled(sketches.reshape(len(texts), _BINS))


@cache
def _plain_codes() -> npt.NDArray[np.uint32]:
    """Code points without case and width, spaces as one mark; 0 for those beyond 16 bits."""
    table = np.zeros(_LAST + 1, np.uint32)
    for code in range(_LAST):
        plain = normal_form(chr(code))
        table[code] = ord(plain) if len(plain) == 1 else code if plain or not code else _SPACE
    return table


def _filled(sketches: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Empty bins filled from the next one to the right, round the end, and marked by how far."""
    rows = np.flatnonzero((sketches == _EMPTY).any(axis=1))
    some = sketches[rows]
    places = np.tile(np.arange(2 * _BINS, dtype=np.int16), (len(rows), 1))
    places[np.tile(some == _EMPTY, 2)] = 3 * _BINS
    lenders = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1][:, :_BINS]
    away = lenders - np.arange(_BINS, dtype=np.int16)
    borrowed = np.take_along_axis(some, (lenders % _BINS).astype(np.intp), axis=1)
    sketches[rows] = borrowed + away.astype(np.uint32) * np.uint32(0x85EBCA6B)
    return sketches


def _bands(sketches: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    generator = np.random.Generator(np.random.PCG64(_SEED))
    weights = generator.integers(1, 1 << 63, (NUM_BANDS, ROWS), dtype=np.uint64) | np.uint64(1)
    # A band is of bins far apart: neighbours of a short text may have borrowed from one gram.
    parts = sketches.reshape(len(sketches), ROWS, NUM_BANDS).transpose(0, 2, 1).astype(np.uint64)
    sums: npt.NDArray[np.uint64] = (parts * weights).sum(axis=2, dtype=np.uint64)
    return sums ^ (sums >> np.uint64(29))
