"""Whole encoders, and single products, with rows and weights in 8 bits."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import library

BLOCK, _TILE = 16, 64
"""Outputs and inputs that lie together in packed weights."""
ACTIVATIONS = {"gelu": 0, "relu": 1}
"""What the kernels know, and call by number."""


class Weights8(ctypes.Structure):
    """``Weights8`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("packed", "scales", "totals", "biases")),
        *((name, ctypes.c_int64) for name in ("inputs", "depth", "outputs")),
    )


class Layer8(ctypes.Structure):
    """``Layer8`` of kernels.h."""

    _fields_ = (
        *((name, Weights8) for name in ("fused", "output", "up", "down")),
        ("norm", ctypes.c_void_p),
    )


class Encoder8(ctypes.Structure):
    """``Encoder`` of kernels.h."""

    _fields_ = (
        ("layers", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("depth", "width", "heads", "head_width")),
        ("activation", ctypes.c_int64),
        *((name, ctypes.c_double) for name in ("epsilon", "scale")),
    )


@dataclass(frozen=True)
class Packed8:
    """A linear map's weight as the kernels read it; the tensors live as long as it does."""

    packed: Tensor
    scales: Tensor
    totals: Tensor
    biases: Tensor
    inputs: int
    outputs: int

    @classmethod
    def of(
        cls, weight: Int8[Tensor, "O I"], scales: Float[Tensor, "O"], bias: Tensor | None
    ) -> "Packed8":
        """Weights in blocks of 16 outputs and 4 inputs, filled up with zeros."""
        outputs, inputs = weight.shape
        blocks, depth = -(-outputs // BLOCK), -(-inputs // _TILE) * _TILE
        room = weight.new_zeros(blocks * BLOCK, depth)
        room[:outputs, :inputs] = weight
        packed = room.view(blocks, BLOCK, depth // 4, 4).permute(0, 2, 1, 3).contiguous()

        def filled(values: Tensor) -> Tensor:
            wide = torch.zeros(blocks * BLOCK)
            wide[:outputs] = values
            return wide

        totals = weight.sum(1, dtype=torch.int32).float()
        biases = torch.zeros(outputs) if bias is None else bias.detach().float()
        return cls(packed, filled(scales), filled(totals), filled(biases), inputs, outputs)

    def pointers(self) -> Weights8:
        """Where the tensors lie."""
        four = (self.packed, self.scales, self.totals, self.biases)
        depth = self.packed.shape[1] * 4
        return Weights8(*(t.data_ptr() for t in four), self.inputs, depth, self.outputs)


def multiply_bytes(x: Float[Tensor, "*b I"], weights: Packed8) -> Float[Tensor, "*b O"]:
    """``x`` rounded row by row, times the weights; see ``reads_bytes``.

    Raises:
        RunError: There is no memory left.
    """
    y = x.new_empty((*x.shape[:-1], weights.outputs))
    rows = x.numel() // weights.inputs
    found = library()
    assert found is not None, "asked before"
    pointers = ctypes.byref(weights.pointers())
    if found.calls.mason_product_of_bytes(pointers, x.data_ptr(), y.data_ptr(), rows):
        raise _no_memory()
    return y


@dataclass(frozen=True)
class Block8:
    """One layer: four products and the norms behind attention and feed-forward."""

    fused: Packed8
    output: Packed8
    up: Packed8
    down: Packed8
    norms: Float[Tensor, "4 D"]


class EncoderProgram:
    """All layers of an encoder that is normed after every sum, as one call.

    Args:
        layers: Their weights.
        heads: Attention heads.
        head_width: Features of each.
        activation: One of ``ACTIVATIONS``.
        epsilon: Of the norms.
        scale: Of the scores.
    """

    def __init__(
        self,
        layers: Sequence[Block8],
        *,
        heads: int,
        head_width: int,
        activation: str,
        epsilon: float,
        scale: float,
    ) -> None:
        self._kept = list(layers)
        self._layers = (Layer8 * len(layers))(
            *(
                Layer8(
                    *(p.pointers() for p in (one.fused, one.output, one.up, one.down)),
                    one.norms.data_ptr(),
                )
                for one in layers
            )
        )
        self.width = layers[0].norms.shape[1]
        self._encoder = Encoder8(
            ctypes.addressof(self._layers),
            len(layers),
            self.width,
            heads,
            head_width,
            ACTIVATIONS[activation],
            epsilon,
            scale,
        )

    def run(
        self, x: Float[Tensor, "T D"], lengths: Sequence[int], wanted: Sequence[int] | None
    ) -> Float[Tensor, "R D"]:
        """Rows behind the last layer.

        Args:
            x: Embedded rows in fp32, one sequence after another.
            lengths: Rows of each sequence.
            wanted: Of each sequence the row to give; None: all rows.

        Raises:
            RunError: There is no memory left.
        """
        found = library()
        assert found is not None, "asked before"
        count, offsets = len(lengths), [0]
        for length in lengths:
            offsets.append(offsets[-1] + length)
        numbers = ctypes.c_int64 * (count + 1)
        out = x.new_empty((count if wanted is not None else len(x), self.width))
        failed = found.calls.mason_encode(
            ctypes.byref(self._encoder),
            numbers(*offsets),
            count,
            None if wanted is None else numbers(*wanted),
            x.data_ptr(),
            out.data_ptr(),
        )
        if failed:
            raise _no_memory()
        return out


def reads_bytes(x: Tensor) -> bool:
    """Whether the kernels may read ``x``: plain fp32 on the processor, no gradient.

    Their sums are exact, so that what a text gives does not differ with the texts beside it.
    """
    return (
        library() is not None
        and not torch.is_grad_enabled()
        and type(x) is Tensor
        and x.is_cpu
        and x.dtype is torch.float32
        and x.is_contiguous()
        and not torch.compiler.is_compiling()
    )


def _no_memory() -> RunError:
    return RunError("There is no memory left for a product; close other programs.")
