"""The layers of a lone decoder as one call, for the few rows of a decoding step."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import half, library
from mason.layers.native.rows import KINDS, most_rows

INNER = {"gelu": 0, "relu": 1, "gelu_tanh": 2, "silu": 3}
"""Activations that the kernels know, and call by number."""
_INT4 = 3
"""The kind of weights in 4 bits, beside those of single products."""


class Map(ctypes.Structure):
    """``Map`` of decoder.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "worth", "bias")),
        *((name, ctypes.c_int64) for name in ("kind", "inputs", "outputs")),
    )


class Norm(ctypes.Structure):
    """``Norm`` of decoder.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
        *((name, ctypes.c_double) for name in ("epsilon", "offset")),
    )


class Layer(ctypes.Structure):
    """``DecoderLayer`` of decoder.h."""

    _fields_ = (
        *((name, Map) for name in ("fused", "output", "up", "down")),
        *((name, Norm * 2) for name in ("before", "after")),
        *((name, Norm) for name in ("query", "key")),
        *((name, ctypes.c_int64) for name in ("window", "turning")),
    )


class Decoder(ctypes.Structure):
    """``Decoder`` of decoder.h."""

    _fields_ = (
        ("layers", ctypes.c_void_p),
        ("last", Norm),
        *((name, ctypes.c_int64) for name in ("depth", "width", "heads", "kv_heads")),
        *((name, ctypes.c_int64) for name in ("head_width", "activation", "gated")),
        *((name, ctypes.c_double) for name in ("scale", "softcap")),
    )


class Step(ctypes.Structure):
    """``Step`` of decoder.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "out", "keys", "values", "cosines", "sines")),
        *((name, ctypes.c_void_p) for name in ("places", "ends", "blocks")),
        *((name, ctypes.c_int64) for name in ("longest", "rows", "capacity", "ways")),
        *((name, ctypes.c_int64) for name in ("half", "held")),
    )


@dataclass(frozen=True)
class HeldMap:
    """A linear map as the kernels read it; the tensors live as long as it does.

    Attributes:
        weight: fp32, bf16 or int8 [O, I], or the codes of 4 bits.
        worth: Scales of int8, or the grid of 4 bits.
        bias: In fp32 [O].
        outputs: O.
        inputs: I.
    """

    weight: Tensor
    worth: Tensor | None
    bias: Tensor | None
    outputs: int
    inputs: int

    def pointers(self) -> Map:
        """Where the tensors lie."""
        kind = KINDS.get(self.weight.dtype, _INT4)
        three = map(_at, (self.weight, self.worth, self.bias))
        return Map(*three, kind, self.inputs, self.outputs)


@dataclass(frozen=True)
class HeldNorm:
    """A norm in fp32: none without a weight, and without a bias by the root mean square."""

    weight: Tensor | None = None
    bias: Tensor | None = None
    epsilon: float = 0.0
    offset: float = 0.0

    def pointers(self) -> Norm:
        """Where the tensors lie."""
        return Norm(_at(self.weight), _at(self.bias), self.epsilon, self.offset)


@dataclass(frozen=True)
class DecoderBlock:
    """One layer.

    Attributes:
        maps: From rows to queries, keys and values; from what heads mixed to rows; into the
            feed-forward, the gate first where it is gated; out of it.
        before: Norms before attention and before the feed-forward.
        after: Norms of what the two add.
        query: Norm of each head's query.
        key: Norm of each head's key.
        window: Keys that a row sees at most; 0: all.
        turning: Which of the angles of a step turn its queries and keys.
    """

    maps: Sequence[HeldMap]
    before: tuple[HeldNorm, HeldNorm]
    after: tuple[HeldNorm, HeldNorm]
    query: HeldNorm
    key: HeldNorm
    window: int
    turning: int

    def pointers(self) -> Layer:
        """Where the tensors lie."""
        norms = ((Norm * 2)(*(n.pointers() for n in two)) for two in (self.before, self.after))
        heads = self.query.pointers(), self.key.pointers()
        maps = (each.pointers() for each in self.maps)
        return Layer(*maps, *norms, *heads, self.window, self.turning)


class DecoderProgram:
    """All layers of a lone decoder and its last norm, as one call.

    Args:
        layers: What they hold.
        last: The norm behind them.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_width: Features of each.
        activation: One of ``INNER``.
        gated: Whether the feed-forward is.
        scale: Of the scores.
        softcap: Where scores are squashed to; 0: they are not.
    """

    def __init__(
        self,
        layers: Sequence[DecoderBlock],
        last: HeldNorm,
        *,
        heads: int,
        kv_heads: int,
        head_width: int,
        activation: str,
        gated: bool,
        scale: float,
        softcap: float,
    ) -> None:
        self._kept = list(layers), last
        self._layers = (Layer * len(layers))(*(layer.pointers() for layer in layers))
        self.most_rows = min(most_rows(held.weight) for layer in layers for held in layer.maps)
        """Rows up to which the kernels are faster than PyTorch's products of matrices."""
        shape = heads, kv_heads, head_width, INNER[activation], gated
        self._decoder = Decoder(
            ctypes.addressof(self._layers),
            last.pointers(),
            len(layers),
            layers[0].maps[0].inputs,
            *shape,
            scale,
            softcap,
        )

    def run(
        self,
        x: Float[Tensor, "T D"],
        stored: Sequence[tuple[Float[Tensor, "N C g d"], Float[Tensor, "N C g d"]]],
        places: Sequence[int],
        ends: Sequence[int],
        angles: Sequence[tuple[Float[Tensor, "P d"], Float[Tensor, "P d"]]],
        blocks: Int[Tensor, "S B"] | None = None,
    ) -> Float[Tensor, "T D"]:
        """Rows behind the last norm; between the layers they are fp32.

        Args:
            x: Embedded rows, in fp32 or bf16.
            stored: Each layer's cache. It is written to.
            places: Which of its N sequences each row belongs to.
            ends: How many keys there are up to the last that each row sees; a new key is stored
                as the last.
            angles: Cosines and sines of all positions, for each way that layers turn; none:
                nothing is turned.
            blocks: Which rows of the cache hold each sequence's keys, C a row; None: it has the
                row of its place.

        Raises:
            RunError: There is no memory left.
        """
        found = library()
        assert found is not None, "asked before"
        out, first = x.new_empty(x.shape), stored[0][0]
        numbers = ctypes.c_int64 * len(x)
        keys, values = (_pointers([pair[side] for pair in stored]) for side in (0, 1))
        cosines, sines = (_pointers([pair[side] for pair in angles]) for side in (0, 1))
        of_rows = numbers(*places), numbers(*ends)
        step = Step(
            x.data_ptr(),
            out.data_ptr(),
            *(ctypes.addressof(each) if each else None for each in (keys, values, cosines, sines)),
            *map(ctypes.addressof, of_rows),
            *((None, 0) if blocks is None else (blocks.data_ptr(), blocks.shape[1])),
            *(len(x), first.shape[1], len(angles), half(x), half(first)),
        )
        if found.calls.mason_decode(ctypes.byref(self._decoder), ctypes.byref(step)):
            raise RunError("There is no memory left for a step; close other programs.")
        return out


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
