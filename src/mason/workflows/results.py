"""The blocks of ``results.json``, each from what it describes."""

import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mason import language
from mason.data.columns import Columns
from mason.data.tables import Table
from mason.evaluation import Baseline, Judgement
from mason.metrics import by_length, slices
from mason.models.transformer import num_bytes, num_parameters
from mason.runtime import machine, peak_memory_bytes
from mason.training.history import History
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared

Block = dict[str, Any]
_PACKAGES = ("torch", "tokenizers", "safetensors", "polars", "numpy")
_MAX_BARS = 20
_LATENCY_SECONDS, _FEWEST_RUNS = 10.0, 5


def header(kind: str, task: Mapping[str, Any], model: Model, command: str | None) -> Block:
    """What was done, with what, where."""
    return {
        "version": 1,
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mason": mason_version(),
        "language": language.current(),
        "task": {"name": model.task, **task},
        "model": model_block(model),
        "command": command,
        "machine": machine() | {"device": str(next(model.network.parameters()).device)},
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
    }


def mason_version() -> str:
    """The version that is installed."""
    try:
        return version("mason-lm")
    except PackageNotFoundError:
        return "0"


def model_block(model: Model) -> Block:
    """Where the model came from and what it is made of."""
    network = model.network
    return {
        "source": model.source,
        "family": model.family.name,
        "topology": network.spec.topology,
        "parameters": num_parameters(network),
        "fresh": sorted({name.rpartition(".")[0] for name in model.fresh}),
        "dropped": list(model.dropped),
        "parts": [
            {"name": name, "parameters": num_parameters(part)}
            for name, part in network.named_children()
            if num_parameters(part)
        ],
    }


def data_block(
    prepared: Prepared, lengths: Sequence[int], limit: int | None, num_cut: int
) -> Block:
    """Rows, labels, lengths and findings; ``num_cut`` of the rows were cut to the limit."""
    counts = {name: _label_counts(t, prepared.columns) for name, t in prepared.tables.items()}
    return {
        "file": prepared.file,
        "rows": {name: len(table) for name, table in prepared.tables.items()},
        "labels": [
            {"label": label} | {name: count[label] for name, count in counts.items()}
            for label in prepared.labels
        ],
        "lengths": _lengths(lengths, limit, num_cut),
        "findings": [finding.to_dict() for finding in prepared.findings],
        "split": prepared.split or None,
    }


def _label_counts(table: Table, columns: Columns) -> Counter[str]:
    return (
        Counter(str(label) for label in table.texts(columns.label)) if columns.label else Counter()
    )


def _lengths(lengths: Sequence[int], limit: int | None, num_cut: int) -> Block:
    array = np.asarray(lengths)
    edges = np.unique(np.linspace(array.min(), array.max() + 1, _MAX_BARS + 1).round())
    bars, edges = np.histogram(array, bins=edges if len(edges) > 1 else 1)
    return {
        "median": float(np.median(array)),
        "p90": float(np.percentile(array, 90)),
        "p99": float(np.percentile(array, 99)),
        "max": int(array.max()),
        "limit": limit,
        "share_cut": num_cut / len(array),
        "histogram": [
            (float(a), float(b), int(n))
            for a, b, n in zip(edges[:-1], edges[1:], bars, strict=True)
        ],
    }


def training_block(history: History, verdict: Mapping[str, Any]) -> Block:
    """How the run went."""
    return {
        "steps": [step.plain() for step in history.steps],
        "evaluations": [asdict(evaluation) for evaluation in history.evaluations],
        "best_step": history.best.step if history.best else None,
        "last_step": history.steps[-1].step if history.steps else None,
        "stopped": history.stopped,
        "overfitting": dict(verdict),
    }


def evaluation_block(
    judgement: Judgement,
    table: Table,
    columns: Columns,
    labels: Sequence[str],
    *,
    split: str,
    lengths: Sequence[int],
    rivals: Sequence[Baseline] = (),
) -> Block:
    """Scores on the rows of a table and of kinds of them, and the worst mistakes among them."""
    assert columns.label is not None, "an evaluation needs labels"
    texts, right = table.texts(columns.text), table.texts(columns.label)
    told = judgement.scores
    return {
        "split": split,
        "rows": told.rows,
        "confidence": told.confidence,
        "scores": {name: asdict(score) for name, score in told.overall.items()},
        "per_class": [
            {"label": label, **asdict(row)}
            for label, row in zip(labels, told.per_class, strict=True)
        ],
        "confusion": {"labels": list(labels), "counts": told.confusion},
        "calibration": judgement.calibration,
        "errors": [
            {
                "row": int(table.rows[i]),
                "file": str(table.path),
                "text": str(texts[i]),
                "label": str(right[i]),
                "predicted": labels[int(judgement.predictions[i])],
                "probability": float(judgement.confidences[i]),
            }
            for i in judgement.mistakes
        ],
        "baselines": [asdict(rival) for rival in rivals],
        "slices": _slices(judgement, table, columns, labels, lengths),
    }


def _slices(
    judgement: Judgement,
    table: Table,
    columns: Columns,
    labels: Sequence[str],
    lengths: Sequence[int],
) -> list[Block]:
    """Right answers by length, label, and source where a column names one."""
    right = [str(label) for label in table.texts(columns.label or "")]
    kinds = {"length": by_length(lengths), "label": right}
    if columns.group is not None and columns.group in table.frame.columns:
        kinds["source"] = [name or "" for name in table.texts(columns.group)]
    said = [labels[int(i)] for i in judgement.predictions]
    found = slices([a == b for a, b in zip(said, right, strict=True)], kinds)
    return [{**asdict(one), "worse": one.worse} for one in found]


def cost_block(
    model: Model,
    seconds: Mapping[str, float],
    table: Table,
    answer: Callable[[Table], object],
    speed: float | None = None,
) -> Block:
    """Time, memory and size; latency is measured here, one text at a time."""
    return {
        "seconds": dict(seconds) | {"total": sum(seconds.values())},
        "tokens_per_second": speed,
        "peak_memory_bytes": peak_memory_bytes(),
        "model_bytes": num_bytes(model.network),
        "latency_ms": _latency(table, answer),
    }


def _latency(table: Table, answer: Callable[[Table], object], num_runs: int = 50) -> Block:
    """Of a row at a time; where that is slow, of fewer rows."""
    rows = [table.take([i % len(table)]) for i in range(num_runs)]
    answer(rows[0])
    times: list[float] = []
    end = time.monotonic() + _LATENCY_SECONDS
    for row in rows:
        if len(times) >= _FEWEST_RUNS and time.monotonic() > end:
            break
        start = time.perf_counter()
        answer(row)
        times.append((time.perf_counter() - start) * 1000)
    return {"p50": statistics.median(times), "p99": float(np.percentile(times, 99))}
