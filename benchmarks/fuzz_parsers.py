"""The parsers that ``benchmarks.fuzz`` damages the input of: a file's place, good files, a reader.

What is read is also looked at as its users do: every tensor, every row, a text through the
tokenizer.
"""

import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import polars as pl
import torch
from safetensors.torch import save

from mason.catalog.archive import read_archive
from mason.data.tables import read as read_table
from mason.generation.constraints import Constraint, start_guide
from mason.models.checkpoints import spec_of
from mason.models.files import open_weights, read_config, verify_manifest, writing_folder
from mason.models.files.manifest import MANIFEST
from mason.models.files.tensor_bundle import read_bundle
from mason.models.peft import CONFIG, WEIGHTS, read_adapter
from mason.serving.bodies import read_body
from mason.serving.limits import Limits
from mason.serving.requests import ChatRequest, InputRequest, TextRequest
from mason.settings import load_settings
from mason.sources.archives import unpack
from mason.text import load_tokenizer
from mason.text.chat import CHATML, chat_text
from mason.text.contract import CONTRACT_FILE, InputContract
from tests.models.files import bundle
from tests.text.hostile_templates import HOSTILE
from tests.text.tiny import tiny

Parser = tuple[Path, list[bytes], Callable[[Path], object]]
_TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "你好, who?"},
    {"role": "assistant", "content": "Me."},
]
CONFIGS: tuple[dict[str, Any], ...] = (
    {"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"intermediate_size": 40, "vocab_size": 31, "max_position_embeddings": 29},
    {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 31, "rope_theta": 1e4}
    | {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rms_norm_eps": 1e-6},
    {"model_type": "t5", "d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 40}
    | {"vocab_size": 31, "feed_forward_proj": "gated-gelu"},
    {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 31},
)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _all_tensors(file: Path) -> object:
    weights = open_weights(file)
    return [weights.tensor(name) for name in weights]


def _safetensors(folder: Path) -> Parser:
    tensors = {"w": torch.arange(6.0).view(2, 3), "b": torch.ones(4).bfloat16()}
    seeds = [save(tensors), save({"x": torch.ones(2, dtype=torch.int8)}, {"format": "pt"})]
    return folder / "model.safetensors", seeds, _all_tensors


def _shards(folder: Path) -> Parser:
    (folder / "config.json").write_bytes(_json(CONFIGS[0]))
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(save({name: torch.ones(2)}))
    weight_map = {"a": "a.safetensors", "b": "b.safetensors"}
    seeds = [_json({"metadata": {"total_size": 16}, "weight_map": weight_map})]
    return folder / "model.safetensors.index.json", seeds, lambda file: _all_tensors(file.parent)


def _config(folder: Path) -> Parser:
    def read(file: Path) -> object:
        return spec_of(read_config(file.parent))

    return folder / "config.json", [_json(config) for config in CONFIGS], read


def _gguf_bytes(folder: Path) -> bytes:
    file = folder / "seed.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint32("llama.block_count", 2)
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "smollm")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "ab", "<|end|>", "Ġ"])
    writer.add_array("tokenizer.ggml.token_type", [1, 1, 1, 3, 1])
    writer.add_array("tokenizer.ggml.merges", ["a b"])
    writer.add_uint32("tokenizer.ggml.eos_token_id", 3)
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32):
        values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
        writer.add_tensor(kind.name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = file.read_bytes()
    file.unlink()
    return found


def _gguf(folder: Path) -> Parser:
    return folder / "model.gguf", [_gguf_bytes(folder)], _all_tensors


def _gguf_tokenizer(folder: Path) -> Parser:
    return folder / "model.gguf", [_gguf_bytes(folder)], _cut


def _cut(path: Path) -> object:
    return load_tokenizer(path).encode(["the cat sat 你好 ab"])


def _bundle(folder: Path) -> Parser:
    arrays = {"a/w": np.ones((2, 3), np.float32), "a/b": np.arange(4), "step": np.array(7)}
    index = bundle.write_bundle(folder, arrays)

    def read(file: Path) -> object:
        return [tensor.read() for tensor in read_bundle(file).values()]

    return index, [index.read_bytes()], read


def _bundle_entries(folder: Path) -> Parser:
    """Checksums are mended after the damage, or no damage would get past them."""
    array = np.ones((2, 3), np.float32)
    index = bundle.write_bundle(folder, {"w": array})

    def read(file: Path) -> object:
        rows = [(b"", bundle.whole(1, 1)), (b"w", file.read_bytes())]
        index.write_bytes(bundle.table(rows))
        return [tensor.read() for tensor in read_bundle(index).values()]

    return folder / "entry", [bundle.entry(array)], read


def _tokenizer(folder: Path, kind: str = "wordpiece") -> Parser:
    tiny(kind).save(folder)
    file = folder / "tokenizer.json"
    return file, [file.read_bytes()], lambda file: _cut(file.parent)


def _tokenizer_config(folder: Path) -> Parser:
    tiny("wordpiece").save(folder)
    file = folder / "tokenizer_config.json"
    return file, [file.read_bytes()], lambda file: _cut(file.parent)


def _vocab_txt(folder: Path) -> Parser:
    seeds = ["\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##s", "你"]).encode()]
    return folder / "vocab.txt", seeds, lambda file: _cut(file.parent)


def _merges(folder: Path) -> Parser:
    pieces = ["<|endoftext|>", "a", "b", "ab", "c", "abc", "Ġ"]
    (folder / "vocab.json").write_bytes(_json({piece: i for i, piece in enumerate(pieces)}))
    return (
        folder / "merges.txt",
        [b"#version: 0.2\na b\nab c\n"],
        lambda file: _cut(file.parent),
    )


def _spiece(folder: Path) -> Parser:
    pieces = [("<pad>", 0.0, 3), ("</s>", 0.0, 3), ("<unk>", 0.0, 2), ("▁a", -1.5, 1), ("b", -2, 1)]
    message = b""
    for text, score, kind in pieces:
        piece = bundle.held(1, text.encode()) + b"\x15" + np.float32(score).tobytes()
        message += bundle.held(1, piece + bundle.whole(3, kind))
    message += bundle.held(2, bundle.whole(3, 1) + bundle.whole(40, 2))
    return folder / "spiece.model", [message], lambda file: _cut(file.parent)


def _template(folder: Path) -> Parser:
    tokenizer = tiny("bytes")
    seeds = [CHATML, *(text for text in HOSTILE.values() if len(text) < 1000)]
    plain = (
        "{%- set ns = namespace(n=0) -%}{% for m in messages %}{% if loop.first %}[{{ m['role'] }}]"
        "{% endif %}{% set ns.n = ns.n + 1 %}{{ ns.n ~ m.content | trim }}{% endfor %}"
        "{% macro f(x) %}{{ x | tojson(indent=2) }}{% endmacro %}{{ f(messages[1:]) }}"
    )

    def read(file: Path) -> object:
        tokenizer.config["chat_template"] = file.read_text("utf-8", errors="replace")
        try:
            return chat_text(tokenizer, _TALK)
        finally:
            from mason.text import chat

            chat._compiled.cache_clear()

    return (
        folder / "template",
        [CHATML.encode(), plain.encode()] * 9 + _good(seeds, read, folder),
        read,
    )


def _good(seeds: list[str], read: Callable[[Path], object], folder: Path) -> list[bytes]:
    """Those that may be read as they are; what is refused by design is no good file."""
    from mason.errors import MasonError

    found = []
    for seed in seeds:
        (folder / "template").write_text(seed, "utf-8")
        try:
            read(folder / "template")
        except MasonError:
            seed = "{% if false %}" + seed + "{% endif %}"
            (folder / "template").write_text(seed, "utf-8")
            try:
                read(folder / "template")
            except MasonError:
                continue
        found.append(seed.encode())
    return found


_TABLES: dict[str, list[bytes]] = {
    "csv": [
        b'text,label\n"fine, film",pos\nbad film,neg\n"two\nlines ""q""",pos\n',
        "文本;标签\n很好;正\n不行;负\n".encode("gb18030"),
    ],
    "tsv": [b"text\tlabel\nfine film\tpos\nbad film\tneg\n"],
    "jsonl": [
        b'{"text": "fine", "label": "pos", "n": 1.5}\n{"text": "bad", "label": "neg", "n": null}\n',
        b'{"messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "Yo"}]}\n',
        b'{"tokens": ["A", "b"], "tags": ["B-X", "O"]}\n',
    ],
    "json": [
        _json([{"text": "fine", "label": 1}, {"text": "bad", "label": 0}]),
        _json(
            {"data": [{"paragraphs": [{"context": "A b c", "qas": [
                {"id": "1", "question": "b?", "answers": [{"text": "b", "answer_start": 2}]}]}]}]}
        ),
    ],
    "txt": ["one line\n二行\n\nthree\n".encode()],
    "conll": [
        b"-DOCSTART- O\n\nA B-PER\nb O\n\nC O\n",
        b"# text = A b\n1\tA\ta\tNOUN\n2\tb\tb\tVERB\n\n",
    ],
}  # fmt: skip


def _table(kind: str, folder: Path) -> Parser:
    def read(file: Path) -> object:
        table = read_table(file)
        return [table.frame[name].to_list() for name in table.frame.columns]

    return folder / f"t.{kind}", _TABLES[kind], read


def _parquet(folder: Path) -> Parser:
    frame = pl.DataFrame({"text": ["fine film", "bad film"], "label": [1, 0], "n": [0.5, None]})
    seeds = []
    for compression in ("uncompressed", "zstd"):
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression=compression)  # type: ignore[arg-type]
        seeds.append(buffer.getvalue())
    return folder / "t.parquet", seeds, lambda file: read_table(file).frame.rows()


def _packed(folder: Path) -> Parser:
    return folder / "t.csv.gz", [gzip.compress(_TABLES["csv"][0])], lambda file: read_table(file)


def _settings(folder: Path) -> Parser:
    seeds = [
        b"task: classification\nmodel:\n  source: m\ndata:\n  train: d.csv\n"
        b"training:\n  epochs: 3\n  learning_rate: 2e-5\n  batch_size: 8\noutput:\n  folder: out\n",
        b"adapter: {kind: lora, rank: 8, targets: [query, value]}\ntraining: {precision: bf16}\n",
    ]
    return folder / "run.yaml", seeds, lambda file: load_settings(file)


def _body(kind: type[Any], folder: Path) -> Parser:
    seeds = {
        ChatRequest: {"model": "m", "messages": _TALK, "temperature": 0.5, "stream": True}
        | {"stop": ["\n"], "logit_bias": {"5": 1.5}, "max_tokens": 5}
        | {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        TextRequest: {"model": "m", "prompt": ["a", "b"], "n": 2, "seed": 7, "logprobs": 3},
        InputRequest: {"model": "m", "input": ["one", "two"]},
    }[kind]
    return (
        folder / "body",
        [_json(seeds)],
        lambda file: read_body(file.read_bytes(), kind, Limits()),
    )


_CONSTRAINTS = {
    "json_schema": [
        _json({"type": "object", "required": ["a"], "additionalProperties": False, "properties": {
            "a": {"type": "string", "maxLength": 9, "pattern": "^[a-z]+$"},
            "b": {"type": "array", "items": {"enum": [1, 2.5, None]}, "maxItems": 3},
            "c": {"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/d"}]}},
            "$defs": {"d": {"type": "boolean"}}})
    ],
    "regex": [rb"(yes|no|may(be)?){1,3}[a-z0-9_]*\d+\s?", "[一-龥]{2,5}(。|！)".encode()],
    "grammar": [b'start: item ("," item)*\nitem: WORD | "(" start ")"\nWORD: /[a-z]+/\n'],
}  # fmt: skip


def _constraint(kind: str, folder: Path) -> Parser:
    tokenizer = tiny("bytes")

    def read(file: Path) -> object:
        text = file.read_bytes().decode("utf-8", errors="replace")
        constraint = getattr(Constraint, kind)(text)
        return start_guide(constraint, tokenizer, (3,), tokenizer.num_tokens, room=64)

    return folder / "constraint", _CONSTRAINTS[kind], read


def _adapter(folder: Path) -> Parser:
    name = "base_model.model.encoder.layer.0.attention.self.query.lora_{}.weight"
    tensors = {name.format("A"): torch.zeros(4, 8), name.format("B"): torch.zeros(8, 4)}
    (folder / WEIGHTS).write_bytes(save(tensors))
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["query"]}
    told |= {"base_model_name_or_path": "m", "use_rslora": False, "lora_dropout": 0.1}
    return folder / CONFIG, [_json(told)], lambda file: read_adapter(file.parent)


def _manifest(folder: Path) -> Parser:
    with writing_folder(folder / "whole", kind="model") as draft:
        (draft / "a.txt").write_text("a")
        (draft / "b").mkdir()
        (draft / "b" / "c.txt").write_text("c")
    file = folder / "whole" / MANIFEST
    return file, [file.read_bytes()], lambda file: verify_manifest(file.parent)


def _contract(folder: Path) -> Parser:
    told = InputContract.of(tiny("bytes"), max_tokens=9, labels=["a", "b"]).to_dict()

    def read(file: Path) -> object:
        from mason.models.files import read_json

        return InputContract.from_dict(read_json(file), file)

    return folder / CONTRACT_FILE, [_json(told)], read


def _archive(kind: str, folder: Path) -> Parser:
    buffer, target = io.BytesIO(), folder / "inside" / "deeper" / "unpacked"
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("p/a.txt", "a" * 50)
            packed.writestr("p/b/c.txt", "c" * 50)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tarred:
            for name in ("top/p/a.txt", "top/p/b/c.txt"):
                member = tarfile.TarInfo(name)
                member.size = 50
                tarred.addfile(member, io.BytesIO(b"x" * 50))

    def read(file: Path) -> object:
        shutil.rmtree(folder / "inside", ignore_errors=True)
        target.mkdir(parents=True)
        try:
            unpack(file, "p", target)
        finally:
            beside = {*folder.rglob("*")} - {*target.rglob("*")}
            assert beside == {file, target, *list(target.parents)[:2]}, "written outside"
        return None

    return folder / f"p.{kind}", [buffer.getvalue()], read


def _dump(folder: Path) -> Parser:
    rows = [{"model_name": "M", "metrics": {"Accuracy": "91.5%"}, "paper_title": "P"}]
    dataset = {"dataset": "D", "sota": {"metrics": ["Accuracy"], "rows": rows}}
    told = [
        {"task": "T", "datasets": [dataset], "subtasks": [{"task": "U", "datasets": [dataset]}]}
    ]
    return folder / "dump.json", [_json(told)], lambda file: list(read_archive(file))


PARSERS: dict[str, Callable[[Path], Parser]] = {
    "safetensors": _safetensors,
    "index of shards": _shards,
    "config.json": _config,
    "GGUF": _gguf,
    "GGUF, its tokenizer": _gguf_tokenizer,
    "TensorFlow's index": _bundle,
    "TensorFlow's index, checksums mended": _bundle_entries,
    "tokenizer.json": _tokenizer,
    "tokenizer.json, bytes": partial(_tokenizer, kind="bytes"),
    "tokenizer_config.json": _tokenizer_config,
    "vocab.txt": _vocab_txt,
    "merges.txt": _merges,
    "spiece.model": _spiece,
    "chat template": _template,
    **{f"data, {kind}": partial(_table, kind) for kind in _TABLES},
    "data, parquet": _parquet,
    "data, gzip": _packed,
    "settings": _settings,
    **{f"body, {kind.__name__}": partial(_body, kind) for kind in (ChatRequest, TextRequest)},
    "body, InputRequest": partial(_body, InputRequest),
    **{f"constraint, {kind}": partial(_constraint, kind) for kind in _CONSTRAINTS},
    "adapter_config.json": _adapter,
    "manifest": _manifest,
    "contract": _contract,
    "archive, zip": partial(_archive, "zip"),
    "archive, tar": partial(_archive, "tar"),
    "dump of leaderboards": _dump,
}
