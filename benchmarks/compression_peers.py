"""The same uncompressed model in 8 bits: ours, ONNX Runtime's and OpenVINO's, in turn."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.finetune import bert_base, minilm
from benchmarks.report import Goal, Row
from mason.models.checkpoints import load_model
from mason.models.eight_bits import hold_in_eight_bits
from mason.tasks.classification import Examples, predict_logits

MODELS = {"MiniLM": minilm, "BERT-base": bert_base}
BATCH, ROUNDS, ALONE = 32, 5, 40
Read = Callable[[Sequence[Sequence[int]]], np.ndarray]
"""From texts as tokens, one batch, to logits."""


def contest(name: str, count: int, threads: int) -> list[Row]:
    """Speed of the runtimes on a model: texts alone, and batches of texts of like length."""
    texts = _texts(count)
    with tempfile.TemporaryDirectory() as place:
        folder = MODELS[name](Path(place) / "model")
        readers = {"mason": _ours(folder)} | _peers(folder, Path(place), threads)
        exact = load_model(folder, heads=("classification",)).model
        apart = _apart(readers, predict_logits(exact, Examples(texts[:16])), texts[:16])
        alone = _timed(readers, [[text] for text in texts[:ALONE]])
        ordered = sorted(texts, key=len)
        batches = [ordered[i : i + BATCH] for i in range(0, len(ordered), BATCH)]
        together = _timed(readers, batches)
    rows = [Row(f"{name}: {of}", far) for of, far in apart.items()]
    for what, found in (("ms a text alone", alone), ("ms a text in sorted batches", together)):
        each = {reader: 1000 * float(np.median(took)) for reader, took in found.items()}
        peers = {reader: value for reader, value in each.items() if reader != "mason"}
        best = min(peers, key=lambda reader: peers[reader])
        goal = Goal("≤", 1 / 1.2, "ratio")
        rows.append(Row(f"{name}, {what}, beside {best}", each["mason"], peers[best], goal))
        times = sorted(b / a for a, b in zip(found["mason"], found[best], strict=True))
        ends = times[0], times[-1]
        middle = float(np.median(times))
        label = f"{name}, {what}: times as fast as {best}, median of {len(times)} rounds"
        rows.append(Row(label, middle, None, None, ends))
        rows += [Row(f"{name}, {what}: {reader}", value) for reader, value in peers.items()]
    return rows


def _texts(count: int) -> list[list[int]]:
    """Random tokens of log-normal length, as in ``benchmarks.finetune``."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.round(rng.lognormal(np.log(25), 0.6, count)), 5, 128).astype(int)
    return [[101, *rng.integers(1000, 30522, n - 2).tolist(), 102] for n in lengths]


def _ours(folder: Path) -> Read:
    model = hold_in_eight_bits(load_model(folder, heads=("classification",)).model)
    return lambda texts: predict_logits(model, Examples(texts))


def _peers(folder: Path, place: Path, threads: int) -> dict[str, Read]:
    """ONNX Runtime in dynamic int8; OpenVINO on the same file, and on the float one."""
    import onnxruntime
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, rounded = place / "model.onnx", place / "int8.onnx"
    names = _export(folder, plain)
    quantize_dynamic(plain, rounded, weight_type=QuantType.QInt8, per_channel=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(rounded, options, providers=["CPUExecutionProvider"])
    readers: dict[str, Read] = {
        "ONNX Runtime int8": lambda texts: session.run(None, _padded(texts, names))[0]
    }
    core = openvino.Core()
    for name, file in (("OpenVINO int8", rounded), ("OpenVINO", plain)):
        try:
            made = core.compile_model(file, "CPU", {"INFERENCE_NUM_THREADS": threads})
        except RuntimeError as error:
            print(f"{name} does not take the file: {error}")
            continue
        readers[name] = _openvino(made, names)
    return readers


def _openvino(made: Any, names: Sequence[str]) -> Read:
    request = made.create_infer_request()

    def read(texts: Sequence[Sequence[int]]) -> np.ndarray:
        return np.array(next(iter(request.infer(_padded(texts, names)).values())))

    return read


def _export(folder: Path, file: Path) -> list[str]:
    """Write transformers' model as ONNX with free batch and length; the names of its inputs."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    given = {name: torch.ones(2, 8, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2, max=512)}
    torch.onnx.export(
        model,
        kwargs=given,
        f=file,
        dynamo=True,
        dynamic_shapes=dict.fromkeys(given, free),
        input_names=list(given),
        external_data=False,
    )
    return list(given)


def _padded(texts: Sequence[Sequence[int]], names: Sequence[str]) -> Mapping[str, np.ndarray]:
    tokens = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, text in enumerate(texts):
        tokens[row, : len(text)], mask[row, : len(text)] = text, 1
    return dict(zip(names, (tokens, mask), strict=True))


def _apart(
    readers: Mapping[str, Read], exact: np.ndarray, texts: list[list[int]]
) -> dict[str, float]:
    """How far each is from ordinary numbers, so that nobody is fast by being wrong."""
    return {
        f"{name}: largest difference from fp32, of the largest logit": float(
            np.abs(read(texts) - exact).max() / np.abs(exact).max()
        )
        for name, read in readers.items()
    }


def _timed(readers: Mapping[str, Read], batches: list[list[list[int]]]) -> dict[str, list[float]]:
    """Seconds a text in each of some rounds; every round asks each in turn."""
    took: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(ROUNDS + 1):
        for name, read in readers.items():
            start = time.perf_counter()
            for batch in batches:
                read(batch)
            if number:  # the first one warms up
                took[name].append(time.perf_counter() - start)
    texts = sum(len(batch) for batch in batches)
    return {name: [seconds / texts for seconds in times] for name, times in took.items()}
