"""ONNX: encoders with a head, for onnxruntime and all that reads its format."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mason.errors import SettingsError
from mason.export.padded import PaddedNetwork
from mason.export.proof import EXACT, ROUNDED, Artefact, Run
from mason.export.subject import Inputs, Outputs, Subject

LONGEST = 4096
"""Tokens of a text where the model itself sets no limit."""


def write_onnx(subject: Subject, folder: Path, stem: str, precision: str) -> Artefact:
    """Write ``stem.onnx``, whose batch and length are free, and how to run it.

    Args:
        subject: An encoder.
        folder: Where.
        stem: The file's name without its suffix.
        precision: "fp32"; or "int8": weights of each output in 8 bits, inputs of products in
            8 bits as they come (onnxruntime's dynamic quantisation).

    Raises:
        SettingsError: onnx or onnxruntime is not installed, or the model is no encoder.
    """
    need_onnx()
    network = PaddedNetwork(subject.network, subject.head, subject.reading).eval()
    file = folder / f"{stem}.onnx"
    if precision == "int8":
        wide = folder / f".{stem}-fp32.onnx"
        trace(network, subject, wide)
        _quantise(wide, file)
        wide.unlink()
    else:
        trace(network, subject, file)
    tolerance = ROUNDED if precision == "int8" else EXACT
    return Artefact("onnxruntime", session_of(file, network), file.stat().st_size, tolerance)


def need_onnx() -> None:
    """Say what is missing.

    Raises:
        SettingsError: Something is.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            'Writing ONNX needs {name}: pip install "mason-lm[onnx]".', name=error.name
        ) from error


def example_of(network: PaddedNetwork) -> tuple[torch.Tensor, ...]:
    """A batch to trace with: three texts of unequal length."""
    lengths = torch.tensor([11, 7, 4])
    mask = (torch.arange(11) < lengths[:, None]).long()
    return tuple([torch.ones_like(mask), mask, torch.zeros_like(mask)][: len(network.inputs)])


def trace(network: PaddedNetwork, subject: Subject, file: Path) -> None:
    """Write a network in fp32; batch and length are free."""
    batch = torch.export.Dim("batch", min=1, max=LONGEST)
    most = subject.network.spec.max_tokens or LONGEST
    length = torch.export.Dim("length", min=1, max=most)
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            example_of(network),
            dynamo=True,
            input_names=network.inputs,
            output_names=network.outputs,
            dynamic_shapes=tuple({0: batch, 1: length} for _ in network.inputs),
            verbose=False,
        )
        assert program is not None, "dynamo gives a program"
        program.save(str(file), external_data=False)


@contextlib.contextmanager
def quiet() -> Any:
    """Let libraries not tell users what they cannot mend."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _quantise(wide: Path, file: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # 7 bits: processors without VNNI, and browsers, add two products in 16 bits.
    with quiet():
        quantize_dynamic(
            wide, file, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )


def session_of(file: Path, network: PaddedNetwork, *, fold: bool = False) -> Run:
    """How to run a file on texts: padded to the longest of them.

    Args:
        file: ONNX.
        network: What it was traced from.
        fold: Whether weights of 8 bits become fp32 once, when the file is opened.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    if fold:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> Outputs:
        given = dict(zip(network.inputs, padded(inputs, typed=network.typed), strict=True))
        return cut(session.run(None, given)[0], inputs, by_token=network.by_token)

    return run


def padded(inputs: Inputs, *, typed: bool) -> list[npt.NDArray[np.int64]]:
    """Ids, mask and perhaps segments [B, L], zeros after each text."""
    lengths = [len(tokens) for tokens in inputs.tokens]
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)

    def laid(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
        slots = np.zeros_like(mask)
        for slot, row in zip(slots, rows, strict=True):
            slot[: len(row)] = row
        return slots

    types = [] if not typed else [laid(inputs.token_types or [()] * len(inputs))]
    return [laid(inputs.tokens), mask, *types]


def cut(rows: npt.NDArray[np.float32], inputs: Inputs, *, by_token: bool) -> Outputs:
    """Outputs of each text, without those of padding."""
    if not by_token:
        return list(rows)
    return [row[: len(t)] for row, t in zip(rows, inputs.tokens, strict=True)]
