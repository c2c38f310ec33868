"""Every export opened by what it was written for: how near, how large, how fast.

``python -m benchmarks.export`` trains MiniLM on TREC and takes SmolLM2 as it is. The page is
opened in a real browser, ``.pte`` in ExecuTorch's Python runtime, GGUF by Mason's own reader and
by transformers, and by llama.cpp where ``llama-cpp-python`` is installed. A runtime that is not
installed is left out, and said.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

import mason
from benchmarks.report import Goal, Row, Table, collect, publish
from mason.export.browser import find_browser
from mason.export.writing import Exported
from mason.models.packed import Packed
from mason.workflows import Model

CLASSIFIERS = (("onnx", "fp32"), ("onnx", "int8"), ("page", "int8"), ("executorch", "fp32"))
WRITERS = ("f16", "q8_0", "q4_1", "q4_0")
PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Once upon a time there was a",
    "Water boils at a temperature of",
)
COLUMNS = (
    "export",
    "run by",
    "max |Δ|",
    "allowed",
    "agreement",
    "MB",
    "source MB",
    "ms",
    "source ms",
)


def classifier(folder: Path, *, epochs: float, small: bool) -> Model:
    """MiniLM after some epochs on TREC, from its folder, which tells where its texts are."""
    options: dict[str, float] = {"training.epochs": epochs}
    options |= {"training.max_steps": 20} if small else {}
    mason.train("all-MiniLM-L6-v2", "catalog:trec", output=folder / "trec", **options)
    return mason.load(folder / "trec")


def line(name: str, done: Exported) -> list[str]:
    """A row of the table."""
    p = done.proof
    numbers = [f"{p.delta:.2g}", f"{p.allowed:.2g}", f"{p.agreement:.1%}"]
    sizes = [f"{p.artefact_bytes / 1e6:.2f}", f"{p.source_bytes / 1e6:.2f}"]
    return [name, p.runtime, *numbers, *sizes, f"{p.artefact_ms:.2f}", f"{p.source_ms:.2f}"]


def rows_of(name: str, done: Exported) -> list[Row]:
    """What is asked of an export."""
    p = done.proof
    found = [
        Row(f"{name}: max |Δ| / allowed", p.delta / p.allowed, goal=Goal("≤", 1)),
        Row(
            f"{name}: answers alike",
            p.agreement,
            goal=Goal("≥", 0.95 if p.least >= 0.9 else p.least),
        ),
        Row(f"{name}: MB", p.artefact_bytes / 1e6, p.source_bytes / 1e6),
        Row(f"{name}: ms a text", p.artefact_ms, p.source_ms),
    ]
    if name.startswith("page"):
        found[2] = Row(f"{name}: MB", p.artefact_bytes / 1e6, goal=Goal("≤", 20))
    return found


@torch.no_grad()
def others(model: Model, done: Exported) -> dict[str, float]:
    """Largest difference of next-token logits from our model's, by reader of a GGUF file."""
    tokens = [model.tokenizer.encode_ids([prompt])[0] for prompt in PROMPTS]
    ours = [model.network.logits("language", Packed.of([ids]))[-1].numpy() for ids in tokens]
    readers: dict[str, Callable[[Path], Callable[[list[int]], np.ndarray]]] = {
        "transformers": _transformers
    }
    if find_spec("llama_cpp"):
        readers["llama.cpp"] = _llama_cpp
    found = {}
    for name, opened in readers.items():
        run = opened(done.path)
        found[name] = max(
            float(np.abs(run(ids) - row).max()) for ids, row in zip(tokens, ours, strict=True)
        )
    return found


def _transformers(file: Path) -> Callable[[list[int]], np.ndarray]:
    from transformers import AutoModelForCausalLM

    full = {"gguf_file": file.name, "dtype": torch.float32}
    model = AutoModelForCausalLM.from_pretrained(file.parent, **full).eval()
    return lambda ids: model(torch.tensor([ids])).logits[0, -1].numpy()


def _llama_cpp(file: Path) -> Callable[[list[int]], np.ndarray]:
    from benchmarks.llamacpp import Peer

    peer = Peer(file, torch.get_num_threads())
    return lambda ids: peer.logits(ids)[-1]


def exported(
    model: Model, folder: Path, format: str, precision: str, lines: list[list[str]]
) -> Iterator[Row]:
    """An export written and opened; its line goes to the others."""
    name = f"{format} {precision}"
    done = model.export(folder / name, format=format, precision=precision)
    lines.append(line(name, done))
    yield from rows_of(name, done)
    if format == "gguf":
        for reader, delta in others(model, done).items():
            limit = Goal("≤", done.proof.allowed)
            yield Row(f"{name} in {reader}: max |Δ|", delta, goal=limit)


def main() -> None:
    """Write all, open all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="20 steps and one GGUF: a trial")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--save", action="store_true", help="also write docs/results")
    options = parser.parse_args()
    lines: list[list[str]] = []
    missing = [] if find_browser() else ["Chromium (the page is run by onnxruntime)"]
    missing += [] if find_spec("executorch") else ["executorch"]
    missing += [] if find_spec("llama_cpp") else ["llama-cpp-python"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = classifier(folder, epochs=options.epochs, small=options.small)
        writer = mason.load("SmolLM2-135M-Instruct", task="generation")
        parts = {}
        for format, precision in CLASSIFIERS:
            if format != "executorch" or find_spec("executorch"):
                name = f"{format} {precision}"
                parts[name] = partial(exported, model, folder, format, precision, lines)
        for precision in WRITERS[1:2] if options.small else WRITERS:
            parts[f"gguf {precision}"] = partial(exported, writer, folder, "gguf", precision, lines)
        rows = collect(parts)
    tables = [Table("Exports", COLUMNS, lines, labels=2), Table.of("Goals", rows)]
    notes = f"Not installed: {', '.join(missing)}." if missing else ""
    raise SystemExit(not publish("export", rows, tables=tables, notes=notes, save=options.save))


if __name__ == "__main__":
    main()
