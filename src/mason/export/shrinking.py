"""Weights of an ONNX graph in 8 bits, as fine as a size allows once they are packed.

Only how weights lie on the disk changes: they become fp32 when the model is opened, and all
is computed as before, so that a text gives the same beside other texts and in every runtime.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mason.errors import SettingsError

LEVELS = (127, 112, 96, 80, 72, 64, 56, 48, 44, 40, 36, 32, 28, 24, 20, 16)
"""Steps from zero to the largest weight of a row, from the finest that 8 bits hold."""
_LEAST = 4096
"""Numbers of a matrix below which it stays as it is."""


def shrink(file: Path, most: int) -> bytes:
    """A model's file packed into at most so many bytes.

    Args:
        file: ONNX in fp32.
        most: Bytes.

    Raises:
        SettingsError: Not even the coarsest weights fit.
    """
    import onnx

    model = onnx.load(file)
    matrices = _matrices(model)
    packed = b""
    for levels in LEVELS:
        if _estimate(matrices, levels) > most:
            continue
        packed = gzip.compress(_with(model, matrices, levels), 9, mtime=0)
        if len(packed) <= most:
            return packed
    raise SettingsError(
        "The page would be too large: {weights:,} weights do not fit into {most:.1f} MB; export a "
        "smaller model.",
        weights=sum(array.size for array, _ in matrices.values()),
        most=most / 1e6,
    )


Matrices = dict[str, tuple[npt.NDArray[np.float32], int]]
"""Weights by name, and the axis along which each row has a scale of its own."""


def _matrices(model: Any) -> Matrices:
    from onnx import numpy_helper

    graph = model.graph
    axes = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            # Tables are looked up by row; products have their outputs in the last axis.
            axes[name] = 0 if node.op_type == "Gather" and place == 0 else 1
    found = {}
    for tensor in graph.initializer:
        if tensor.name in axes and len(tensor.dims) == 2 and np.prod(tensor.dims) >= _LEAST:
            array = numpy_helper.to_array(tensor)
            if array.dtype == np.float32:
                found[tensor.name] = array, axes[tensor.name]
    return found


def _rounded(
    array: npt.NDArray[np.float32], axis: int, levels: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers, and what one of each row is worth."""
    largest = np.abs(array).max(1 - axis)
    scales = np.maximum(largest, np.finfo(np.float32).tiny * levels) / np.float32(levels)
    return np.rint(array / np.expand_dims(scales, 1 - axis)).astype(np.int8), scales


def _estimate(matrices: Matrices, levels: int) -> float:
    """Bytes by the entropy of the numbers, which no code for single numbers beats."""
    total = 0.0
    for array, axis in matrices.values():
        counts = np.bincount(_rounded(array, axis, levels)[0].view(np.uint8).ravel())
        shares = counts[counts > 0] / array.size
        total -= array.size * float((shares * np.log2(shares)).sum()) / 8
    return total


def _with(model: Any, matrices: Matrices, levels: int) -> bytes:
    import onnx
    from onnx import helper, numpy_helper

    small = onnx.ModelProto()
    small.CopyFrom(model)
    kept = [t for t in small.graph.initializer if t.name not in matrices]
    nodes = []
    for name, (array, axis) in matrices.items():
        numbers, scales = _rounded(array, axis, levels)
        parts = f"{name}_numbers", f"{name}_scales"
        kept.append(numpy_helper.from_array(numbers, parts[0]))
        kept.append(numpy_helper.from_array(scales, parts[1]))
        nodes.append(helper.make_node("DequantizeLinear", parts, [name], axis=axis))
    nodes += small.graph.node
    del small.graph.initializer[:], small.graph.node[:], small.graph.value_info[:]
    small.graph.initializer.extend(kept)
    small.graph.node.extend(nodes)
    written: bytes = small.SerializeToString()
    return written
