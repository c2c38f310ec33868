"""GGUF: language models of the Llama kind in one file, for llama.cpp, Ollama and their like."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mason.errors import SettingsError
from mason.export.proof import Artefact, Tolerance
from mason.export.subject import Subject, generated
from mason.models.adapters import adapter_names
from mason.models.checkpoints import load_model
from mason.models.families import FAMILIES, to_gguf
from mason.models.saving import export_tensors
from mason.text import load_tokenizer
from mason.text.gguf_vocabulary import to_gguf as vocabulary_to_gguf

_FAMILY = FAMILIES["llama"]
_FILE_TYPES = {"f16": 1, "q8_0": 7, "q4_1": 3, "q4_0": 2}
_TOLERANCES = {
    "f16": Tolerance(share=2e-3, agreement=0.95),
    "q8_0": Tolerance(share=0.1, agreement=0.85),
    "q4_1": Tolerance(share=0.5, agreement=0.4),
    "q4_0": Tolerance(share=0.5, agreement=0.4),
}
"""Of logits of the next token, among many thousands of which two are often nearly as likely."""
_ODD = "It's 12,345.67 — naïve, 你好！\n\n  def f():\n\treturn"
"""A text with all that ways to cut words differ in."""
_WIDE = ("token_embd.weight", "output.weight")
"""Matrices that keep 8 bits where the others have 4: each token goes through them at both ends."""
_NARROW = ("q4_1", "q4_0")


def write_gguf(subject: Subject, folder: Path, stem: str, precision: str) -> Artefact:
    """Write ``stem.gguf`` with tokenizer and chat template, and an Ollama ``Modelfile``.

    Args:
        subject: A language model of the Llama kind with a byte-level tokenizer.
        folder: Where.
        stem: The file's name without its suffix.
        precision: "f16", "q8_0", "q4_1" or "q4_0"; norms stay in fp32. ``q4_1`` keeps
            weights that came from such a file as they are.

    Raises:
        SettingsError: The model computes what llama.cpp's "llama" does not.
        TokenizerError: Its tokenizer has no place in the format.
    """
    metadata, tensors = _parts(subject)
    file = folder / f"{stem}.gguf"
    _write(file, metadata, tensors, precision)
    _check_tokenizer(subject, file)
    (folder / "Modelfile").write_text(_modelfile(subject, file.name), encoding="utf-8")
    again = replace(subject, network=load_model(file).model)
    return Artefact("GGUF", again.run, file.stat().st_size, _TOLERANCES[precision])


def _parts(subject: Subject) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if adapter_names(subject.network):
        raise SettingsError(
            "{model} carries an adapter, which llama.cpp would not read there; write it into the "
            "weights with mason merge, and export that.",
            model=subject.name,
        )
    spec = subject.network.spec
    alike = subject.writes and spec.decoder is not None and spec.encoder is None
    config = _FAMILY.write_config(spec) if alike else {}
    if not alike or _FAMILY.read_config(config, ("language",)) != spec:
        raise SettingsError(
            "GGUF is written of language models that compute what Llama does (Llama, SmolLM, "
            "Mistral without a window), and this model of the family {family} does not.",
            family=subject.family.name,
        )
    if spec.stack.attention.rotary is None or spec.stack.attention.rotary.scaling != "default":
        raise SettingsError(
            "The model stretches its rotary positions, which Mason does not write into GGUF."
        )
    metadata, tensors = to_gguf(config, export_tensors(subject.network, _FAMILY))
    metadata |= vocabulary_to_gguf(subject.tokenizer, spec.vocab_size)
    return {"general.name": Path(subject.name).name} | metadata, tensors


def _write(
    file: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor], precision: str
) -> None:
    import gguf

    writer = gguf.GGUFWriter(file, "llama")
    writer.add_file_type(_FILE_TYPES[precision])
    writer.add_quantization_version(2)
    for key, value in metadata.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    for name, tensor in tensors.items():
        data, kind = _stored(name, tensor.float().cpu().numpy(), precision)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _stored(
    name: str, weight: npt.NDArray[np.float32], precision: str
) -> tuple[npt.NDArray[Any], Any]:
    """A weight as the file holds it, and its type."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import quantize

    wanted = "q8_0" if precision in _NARROW and name in _WIDE else precision
    kind = GGMLQuantizationType[wanted.upper()]
    if weight.ndim == 1:
        kind = GGMLQuantizationType.F32
    elif weight.shape[-1] % GGML_QUANT_SIZES[kind][0]:
        kind = GGMLQuantizationType.F16  # its rows are not whole blocks
    return quantize(np.ascontiguousarray(weight), kind), kind


def _check_tokenizer(subject: Subject, file: Path) -> None:
    """Hold the tokenizer of a file against the model's own.

    Raises:
        SettingsError: They cut a text differently.
    """
    texts = [*generated(subject.tokenizer, 100), _ODD]
    if load_tokenizer(file).encode_ids(texts) != subject.tokenizer.encode_ids(texts):
        raise SettingsError(
            "The tokenizer cannot be said in GGUF: read back, it cuts texts differently."
        )


def _modelfile(subject: Subject, name: str) -> str:
    """How Ollama makes a model of the file; the chat template is in the file itself."""
    lines = [f"FROM ./{name}"]
    end = subject.tokenizer.special.eos
    if end is not None:
        lines.append(f'PARAMETER stop "{subject.tokenizer.pieces([end])[0]}"')
    if subject.tokenizer.chat_template is None:
        lines.append('TEMPLATE "{{ .Prompt }}"')
    return "\n".join(lines) + "\n"
