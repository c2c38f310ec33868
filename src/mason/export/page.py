"""A page: a folder in which a visitor types a text and sees its label, offline.

The network runs in ONNX Runtime's WebAssembly, and the tokenizer in JavaScript of ours. Files
of bytes are packed and written as scripts, so that the page also works opened from a folder,
where browsers forbid a page to read files.
"""

import gzip
import html
import json
import tempfile
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mason.errors import SettingsError
from mason.export.browser import Browser, find_browser
from mason.export.onnx import need_onnx, session_of, trace
from mason.export.padded import PaddedNetwork
from mason.export.proof import ROUNDED, Artefact, Proof
from mason.export.shrinking import shrink
from mason.export.subject import Inputs, Outputs, Subject
from mason.export.wordpiece import wordpiece_of
from mason.language import say
from mason.sources.packages import find_package_file

MOST_BYTES = 20_000_000
"""Of the whole folder."""
_RUNTIME = (
    "npm:onnxruntime-web@1.30.0/dist/{file}"
    "#sha256=d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
)
_GLUE, _WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_POLICY = (
    "default-src 'none'; script-src 'self' file: blob: 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; connect-src 'self'"
)
_MARGIN = 10_000
"""Bytes left for the card and the manifest."""
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b'"', b'\\"'))
_ESCAPED = 1.017
"""What these make of packed bytes."""
_TASKS = ("classification", "multilabel")


def write_page(subject: Subject, folder: Path, stem: str, precision: str) -> Artefact:
    """Write ``index.html`` and the files it opens, and how to run it in a browser.

    Args:
        subject: A classifier of single texts with a WordPiece tokenizer.
        folder: Where.
        stem: Not used: a page has no file to name.
        precision: "int8".

    Raises:
        SettingsError: The model is of another kind, or too large.
        SourceError: ONNX Runtime's package cannot be had.
    """
    if subject.task not in _TASKS or subject.pairs:
        raise SettingsError(
            "A page takes models that label one text (classification, multilabel), and this one "
            "is for {task}.",
            task=say("pairs of texts") if subject.pairs else subject.task,
        )
    need_onnx()
    network = PaddedNetwork(subject.network, subject.head, subject.reading).eval()
    told = _told(subject, network)
    glue, wasm = (find_package_file(_RUNTIME.format(file=name)) for name in (_GLUE, _WASM))
    _write_index(folder, subject, told, glue.read_text(encoding="utf-8"))
    (folder / "licence.txt").write_text(_part("licence.txt"), encoding="utf-8")
    _write_parcel(folder, "runtime", gzip.compress(wasm.read_bytes(), 9, mtime=0))
    room = (MOST_BYTES - _MARGIN - _size(folder)) / _ESCAPED
    with tempfile.TemporaryDirectory() as scratch:
        wide = Path(scratch) / "model.onnx"
        trace(network, subject, wide)
        model = shrink(wide, int(room))
        wide.write_bytes(gzip.decompress(model))
        run = session_of(wide, network, fold=True)
    _write_parcel(folder, "model", model)
    size = _size(folder)
    program = find_browser()
    if program is None:
        return Artefact("onnxruntime", run, size, ROUNDED, finish=partial(_finish, folder))
    browser = Browser(program)
    browser.open(folder / "index.html")
    return Artefact(
        "Chromium",
        partial(run_in, browser),
        size,
        ROUNDED,
        finish=partial(_finish, folder),
        close=browser.close,
    )


def run_in(browser: Browser, inputs: Inputs) -> Outputs:
    """Logits of each text, in a browser that shows the page."""
    asked = json.dumps([list(tokens) for tokens in inputs.tokens])
    found = browser.evaluate(
        "(async () => { const run = await network, all = [];"
        f" for (const ids of {asked}) all.push(await run(ids)); return all; }})()"
    )
    return [np.array(row, dtype=np.float32) for row in found]


def _told(subject: Subject, network: PaddedNetwork) -> dict[str, Any]:
    most = subject.max_tokens or 512
    return {
        "labels": list(subject.network.spec.labels),
        "temperature": subject.temperature,
        "threshold": subject.threshold,
        "inputs": network.inputs,
        "output": network.outputs[0],
        "tokenizer": wordpiece_of(subject.tokenizer, most),
        "texts": "…",
        "agreement": "…",
    }


def _write_index(folder: Path, subject: Subject, told: dict[str, Any], glue: str) -> None:
    parts = {
        "policy": _POLICY,
        "title": html.escape(Path(subject.name).name),
        "style": _part("style.css"),
        "told": _json(told),
        "texts": _json(json.loads(_part("texts.json"))),
        "runtime": glue.replace("//# sourceMappingURL", "// "),
        "tokenizer": _part("tokenizer.js"),
        "model": _part("model.js"),
        "app": _part("app.js"),
    }
    page = _part("index.html")
    for name, text in parts.items():
        before, _, after = page.partition(f"{{{{{name}}}}}")
        page = before + text + after.replace(f"{{{{{name}}}}}", text)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _finish(folder: Path, proof: Proof) -> None:
    """Put what was measured into the page's last line."""
    index = folder / "index.html"
    page = index.read_text(encoding="utf-8")
    for name, value in (("texts", proof.num_inputs), ("agreement", f"{proof.agreement:.0%}")):
        page = page.replace(f'"{name}": "…"', f'"{name}": "{value}"', 1)
    index.write_text(page, encoding="utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _part(name: str) -> str:
    return files("mason.export").joinpath("site", name).read_text(encoding="utf-8")


def _write_parcel(folder: Path, name: str, packed: bytes) -> None:
    """Bytes as a script that delivers them; each is one character of the page's charset."""
    for byte, escaped in _ESCAPES:
        packed = packed.replace(byte, escaped)
    (folder / f"{name}.js").write_bytes(f'deliver("{name}","'.encode() + packed + b'");\n')
