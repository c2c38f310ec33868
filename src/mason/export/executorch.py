"""ExecuTorch: encoders with a head as a ``.pte`` file for phones, run by XNNPACK."""

import warnings
from pathlib import Path
from typing import Any

import torch

from mason.errors import SettingsError
from mason.export.onnx import LONGEST, cut, padded, quiet
from mason.export.padded import PaddedNetwork
from mason.export.proof import EXACT, Artefact
from mason.export.subject import Inputs, Outputs, Subject

_LEAST = 2
"""Tokens of the shortest text: a length of 1 would be traced as if it were always 1."""


def write_executorch(subject: Subject, folder: Path, stem: str, precision: str) -> Artefact:
    """Write ``stem.pte`` for one text of any length at a time, and how to run it.

    Args:
        subject: An encoder.
        folder: Where.
        stem: The file's name without its suffix.
        precision: "fp32".

    Raises:
        SettingsError: executorch is not installed, or the model is no encoder.
    """
    network = PaddedNetwork(subject.network, subject.head, subject.reading).eval()
    most = min(subject.max_tokens or LONGEST, subject.network.spec.max_tokens or LONGEST)
    file = folder / f"{stem}.pte"
    file.write_bytes(_lowered(network, most))
    return Artefact("ExecuTorch", _runner(file, network), file.stat().st_size, EXACT)


def _lowered(network: PaddedNetwork, most: int) -> bytes:
    """The program, with what XNNPACK can compute given to it."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
                XnnpackPartitioner,
            )
            from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
        except ImportError as error:
            raise SettingsError(
                'Writing for ExecuTorch needs {name}: pip install "mason-lm[phone]".',
                name=error.name,
            ) from error
        length = torch.export.Dim("length", min=_LEAST, max=most)
        ids = torch.ones(1, most - 1, dtype=torch.long)
        given = tuple([ids, torch.ones_like(ids), torch.zeros_like(ids)][: len(network.inputs)])
        shapes = tuple({1: length} for _ in given)
        program = torch.export.export(network, given, dynamic_shapes=shapes)
        # The check asks a free length for its number, and then it is free no more.
        config = EdgeCompileConfig(_check_ir_validity=False)
        lowered = to_edge_transform_and_lower(
            program, partitioner=[XnnpackPartitioner()], compile_config=config
        )
        buffer: bytes = lowered.to_executorch().buffer
        return buffer


def _runner(file: Path, network: PaddedNetwork) -> Any:
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(file).load_method("forward")

    def one(inputs: Inputs) -> Outputs:
        given = [torch.from_numpy(x) for x in padded(inputs, typed=network.typed)]
        rows = method.execute(given)[0].clone().numpy()  # its memory is used again
        return cut(rows, inputs, by_token=network.by_token)

    def run(inputs: Inputs) -> Outputs:
        return [output for i in range(len(inputs)) for output in one(inputs.some([i]))]

    return run
