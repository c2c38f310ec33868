"""Hashes of many stretches of one text at once, by differences of one running polynomial."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_BASE = 0x9E3779B97F4A7C15  # odd, so that its powers have inverses modulo 2**64
_INVERSE = pow(_BASE, -1, 1 << 64)


def codes_of(text: str) -> Codes:
    """The code points of a text, halves of surrogate pairs among them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def span_hashes(codes: Codes, begins: Places, ends: Places) -> Keys:
    """A hash of each ``codes[begin:end]``, equal where the code points are (Karp and Rabin 1987).

    Args:
        codes: Shape ``(num_codes,)``.
        begins: Shape ``(num_spans,)``.
        ends: Of the same shape.
    """
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.multiply(codes, _powers(_BASE, len(codes)), out=sums[1:])
    np.cumsum(sums, out=sums)
    keys = (sums[ends] - sums[begins]) * _powers(_INVERSE, len(codes))[begins]
    # The lower bits of the polynomial know less of the text than the upper ones.
    keys ^= keys >> np.uint64(31)
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    return keys ^ (keys >> np.uint64(29))


def _powers(base: int, num: int) -> Keys:
    """``base`` to the powers 0, 1, … num - 1, modulo 2**64."""
    return _many_powers(base, 1 << max(0, num - 1).bit_length())[:num]


@lru_cache(maxsize=4)
def _many_powers(base: int, num: int) -> Keys:
    factors = np.full(num, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, out=factors)
