"""Whole encoders in 8 bits or in bf16, and single products with rows and weights in 8 bits."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import BFloat16, Float, Int8
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import library
from mason.layers.native.rows import KINDS

BLOCK, _TILE = 16, 64
"""Outputs and inputs that lie together in packed weights."""
ACTIVATIONS = {"gelu": 0, "relu": 1}
"""What the kernels know, and call by number."""


class PackedWeights(ctypes.Structure):
    """``PackedWeights`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("packed", "scales", "totals", "biases")),
        *((name, ctypes.c_int64) for name in ("inputs", "depth", "outputs", "kind")),
    )


class EncoderLayer(ctypes.Structure):
    """``EncoderLayer`` of kernels.h."""

    _fields_ = (
        *((name, PackedWeights) for name in ("fused", "output", "up", "down")),
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
        packed = _packed(weight, together=4, depth=_TILE)
        totals = weight.sum(1, dtype=torch.int32)
        laid = [_filled(values, outputs) for values in (scales, totals, bias)]
        return cls(packed, laid[0], laid[1], laid[2], inputs, outputs)

    def pointers(self) -> PackedWeights:
        """Where the tensors lie."""
        four = (self.packed, self.scales, self.totals, self.biases)
        shape = self.inputs, self.packed.shape[1] * 4, self.outputs
        return PackedWeights(*(t.data_ptr() for t in four), *shape, KINDS[torch.int8])


@dataclass(frozen=True)
class Packed16:
    """The same of a weight in bf16."""

    packed: Tensor
    biases: Tensor
    inputs: int
    outputs: int

    @classmethod
    def of(cls, weight: BFloat16[Tensor, "O I"], bias: Tensor | None) -> "Packed16":
        """Weights in blocks of 16 outputs and 2 inputs, filled up with zeros."""
        outputs, inputs = weight.shape
        packed = _packed(weight.detach(), together=2, depth=_TILE // 2)
        return cls(packed, _filled(bias, outputs), inputs, outputs)

    def pointers(self) -> PackedWeights:
        """Where the tensors lie."""
        shape = self.inputs, self.packed.shape[1] * 2, self.outputs
        where = self.packed.data_ptr(), None, None, self.biases.data_ptr()
        return PackedWeights(*where, *shape, KINDS[torch.bfloat16])


def _packed(weight: Tensor, *, together: int, depth: int) -> Tensor:
    """Weights [O, I] in blocks of 16 outputs and some inputs, up to whole tiles of these."""
    outputs, inputs = weight.shape
    blocks, depth = -(-outputs // BLOCK), -(-inputs // depth) * depth
    room = weight.new_zeros(blocks * BLOCK, depth)
    room[:outputs, :inputs] = weight
    shape = blocks, BLOCK, depth // together, together
    return room.view(shape).permute(0, 2, 1, 3).contiguous()


def _filled(values: Tensor | None, outputs: int) -> Float[Tensor, "B"]:
    """One number an output in fp32, with zeros up to whole blocks; None: zeros alone."""
    wide = torch.zeros(-(-outputs // BLOCK) * BLOCK)
    if values is not None:
        wide[:outputs] = values.detach()
    return wide


def multiply_int8_dynamic(x: Float[Tensor, "*b I"], weights: Packed8) -> Float[Tensor, "*b O"]:
    """``x`` rounded row by row, times the weights; see ``multiplies_int8_dynamic``.

    Raises:
        RunError: There is no memory left.
    """
    y = x.new_empty((*x.shape[:-1], weights.outputs))
    rows = x.numel() // weights.inputs
    found = library()
    assert found is not None, "asked before"
    pointers = ctypes.byref(weights.pointers())
    if found.calls.mason_product_int8_dynamic(pointers, x.data_ptr(), y.data_ptr(), rows):
        raise _no_memory()
    return y


@dataclass(frozen=True)
class Block8:
    """One layer: four products and the norms behind attention and feed-forward."""

    fused: Packed8 | Packed16
    output: Packed8 | Packed16
    up: Packed8 | Packed16
    down: Packed8 | Packed16
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
        self._layers = (EncoderLayer * len(layers))(
            *(
                EncoderLayer(
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


def multiplies_int8_dynamic(x: Tensor) -> bool:
    """Whether the kernels may read ``x``: plain fp32 on the processor, no gradient.

    Their sums are exact, so that what a text gives does not differ with the texts beside it.
    """
    return library() is not None and _reads(x, torch.float32)


def reads_halves(x: Tensor) -> bool:
    """Whether a program in bf16 may read ``x``: plain bf16 where there are tiles, no gradient.

    A row's products are added in one order, whatever rows are beside it.
    """
    found = library()
    return found is not None and found.has_tiles and _reads(x, torch.bfloat16)


def _reads(x: Tensor, dtype: torch.dtype) -> bool:
    return (
        not torch.is_grad_enabled()
        and type(x) is Tensor
        and x.is_cpu
        and x.dtype is dtype
        and x.is_contiguous()
        and not torch.compiler.is_compiling()
    )


def _no_memory() -> RunError:
    return RunError("There is no memory left for a product; close other programs.")
