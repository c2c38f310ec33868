"""Attention of a few new rows over the keys and values of a cache."""

import ctypes

from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import Pointers, half, library

_TILE = 32
"""Features in bf16 that tiles take at once."""


def attend(
    query: Float[Tensor, "T h d"],
    new: tuple[Float[Tensor, "T g d"], Float[Tensor, "T g d"]] | None,
    stored: tuple[Float[Tensor, "N C g d"], Float[Tensor, "N C g d"]],
    places: Int[Tensor, "T"],
    ends: Int[Tensor, "T"],
    *,
    angles: tuple[Float[Tensor, "T d"], Float[Tensor, "T d"]] | None,
    scale: float,
    softcap: float | None,
    window: int | None,
) -> Float[Tensor, "T h d"]:
    """Turn and store the new keys and values, then mix what each query sees.

    Args:
        query: One of each row and head, not yet turned.
        new: The rows' keys and values; None: the cache has them all.
        stored: The cache. It is written to.
        places: Which of its N sequences each row belongs to.
        ends: How many keys there are up to the last that each row sees; a new key is stored
            as the last.
        angles: Cosine and sine of each row's rotary angles, in fp32.
        scale: Factor of the scores.
        softcap: Where scores are squashed to; None: they are not.
        window: How many keys a row sees at most; None: all.

    Raises:
        RunError: There is no memory left.
    """
    found = library()
    assert found is not None, "asked before"
    out = query.new_empty(query.shape)
    (key, value), (keys, values) = new or (None, None), stored
    cosine, sine = angles or (None, None)
    given = query, key, value, keys, values, out, cosine, sine, places, ends
    job = Pointers(
        *(None if x is None else x.data_ptr() for x in given),
        *(0 if x is None else x.stride(0) for x in (query, key, value)),
        *query.shape[:2],
        keys.shape[2],
        query.shape[2],
        keys.shape[1],
        window or 0,
        half(query),
        half(keys),
        scale,
        softcap or 0.0,
        None,
        0,
    )
    if found.calls.mason_attend(ctypes.byref(job)):
        raise RunError("There is no memory left for attention; close other programs.")
    return out


def attends_by_tiles(head_width: int) -> bool:
    """Whether many new rows of a sequence are as cheap as few, for heads so wide."""
    found = library()
    return found is not None and found.has_tiles and head_width % _TILE == 0
