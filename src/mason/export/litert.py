"""LiteRT: encoders with a head as a ``.tflite`` file for phones, run by XNNPACK.

A signature of LiteRT has one shape, so the file holds some, of one set of weights: a text goes,
padded, through the shortest it fits.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mason.errors import SettingsError
from mason.export.onnx import LONGEST, cut, padded, quiet
from mason.export.padded import PaddedNetwork
from mason.export.proof import EXACT, ROUNDED, Artefact
from mason.export.subject import Inputs, Outputs, Subject

_LENGTHS = (32, 128)
"""Tokens of the signatures below that of the longest text."""
_LONGEST = 512
"""Of that one, where the model would read more: what it computes is laid out for all of them."""


def write_litert(subject: Subject, folder: Path, stem: str, precision: str) -> Artefact:
    """Write ``stem.tflite`` with the signatures ``tokens_32`` and so on, and how to run it.

    Args:
        subject: An encoder.
        folder: Where.
        stem: The file's name without its suffix.
        precision: "fp32"; or "int8": weights of each output in 8 bits, inputs of products in 8
            bits as they come.

    Raises:
        SettingsError: litert-torch is not installed, or the model is no encoder.
    """
    network = PaddedNetwork(subject.network, subject.head, subject.reading).eval()
    most = min(subject.max_tokens or LONGEST, subject.network.spec.max_tokens or LONGEST, _LONGEST)
    lengths = [*(length for length in _LENGTHS if length < most), most]
    file = folder / f"{stem}.tflite"
    wide = folder / f".{stem}-fp32.tflite" if precision == "int8" else file
    _convert(network, lengths, wide)
    if precision == "int8":
        _quantise(wide, file)
        wide.unlink()
    run, tolerance = _runner(file, network, lengths), ROUNDED if precision == "int8" else EXACT
    return Artefact("LiteRT", run, file.stat().st_size, tolerance)


def _convert(network: PaddedNetwork, lengths: list[int], file: Path) -> None:
    """Write a file with a signature of each length."""
    # It would start JAX's search for accelerators, and say so.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import litert_torch
        except ImportError as error:
            raise SettingsError(
                'Writing for LiteRT needs {name}: pip install "mason-lm[litert]".', name=error.name
            ) from error
        converter: Any = litert_torch
        for length in lengths:
            ids = torch.ones(1, length, dtype=torch.long)
            given = tuple([ids, torch.ones_like(ids), torch.zeros_like(ids)][: len(network.inputs)])
            converter = converter.signature(f"tokens_{length}", network, given)
        converter.convert().export(str(file))


def _quantise(wide: Path, file: Path) -> None:
    from ai_edge_quantizer import quantizer, recipe

    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # bars of progress
        made = quantizer.Quantizer(str(wide), recipe.dynamic_wi8_afp32()).quantize()
        made.export_model(str(file))


def _runner(file: Path, network: PaddedNetwork, lengths: list[int]) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    signatures = {n: interpreter.get_signature_runner(f"tokens_{n}") for n in lengths}

    def one(inputs: Inputs) -> Outputs:
        runner = signatures[_shortest(lengths, len(inputs.tokens[0]))]
        rooms = {name: np.zeros(d["shape"], d["dtype"]) for name, d in _inputs(runner)}
        for room, part in zip(rooms.values(), padded(inputs, typed=network.typed), strict=True):
            room[:, : part.shape[1]] = part
        (rows,) = runner(**rooms).values()
        return cut(rows, inputs, by_token=network.by_token)

    def run(inputs: Inputs) -> Outputs:
        return [output for i in range(len(inputs)) for output in one(inputs.some([i]))]

    return run


def _shortest(lengths: Sequence[int], size: int) -> int:
    """The shortest signature that a text of so many tokens fits.

    Raises:
        SettingsError: It fits none.
    """
    found = next((length for length in lengths if length >= size), None)
    if found is None:
        raise SettingsError(
            "A text of {size} tokens does not fit a LiteRT file, which takes {most}; name shorter "
            "texts with --data, or train the model with --model.max-tokens {most}.",
            size=size,
            most=lengths[-1],
        )
    return found


def _inputs(runner: Any) -> list[tuple[str, dict[str, Any]]]:
    """The inputs of a signature, which are numbered, in order."""
    return sorted(runner.get_input_details().items())
