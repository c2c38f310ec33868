"""Damaged and hostile files get one sentence each, run nothing and write nothing."""

import json
import struct
import sys
import time
from pathlib import Path

import pytest

from mason.errors import CheckpointError
from mason.models.files import open_weights, read_config
from tests.models.files import damage as d

HUGE = 2**62
BOMB = b"cposix\nsystem\n(S'touch ran'\ntR."  # a pickle that would run a command

CASES: dict[str, tuple[d.Write, str]] = {
    # the folder
    "empty folder": (d.files(), "holds no weights"),
    "pickle": (d.files(pytorch_model__bin=BOMB), "pytorch_model.bin: Mason opens only safetensors"),
    "pickle in a checkpoint": (d.files(model__ckpt=BOMB), "model.ckpt: Mason opens only"),
    "keras": (d.files(tf_model__h5=b"\x89HDF"), "tf_model.h5: Mason opens only"),
    "pickle named safetensors": (d.model(b"\x80\x04" + BOMB), "is a pickle under another name"),
    "zip named safetensors": (d.model(b"PK\x03\x04" + bytes(99)), "is a pickle under another name"),
    "lfs pointer": (d.model(b"version https://git-lfs" + bytes(99)), "run `git lfs pull`"),
    "no config": (d.files(model__safetensors=d.GOOD), "config.json is missing"),
    "two models": (
        d.files(a__gguf=b"", b__gguf=b""),
        "holds a.gguf and b.gguf; name the one to read",
    ),
    "link out of the folder": (d.link_out, "is a symbolic link out of its folder"),
    "config is a pipe": (d.pipe, "is not a regular file"),
    # the header of safetensors
    "empty file": (d.model(b""), "is cut short or is not a safetensors file"),
    "header of 2**63 bytes": (d.model(d.safetensors({}, length=2**63)), "is cut short or is not"),
    "header longer than the file": (
        d.model(d.safetensors({}, length=99)),
        "is cut short or is not",
    ),
    "header is a list": (d.model(d.safetensors([])), "is not a safetensors file"),
    "header is not JSON": (d.model(d.safetensors(b"{nonsense")), "is not JSON"),
    "header is not UTF-8": (d.model(d.safetensors(b'{"\xff":1}')), "is not JSON"),
    "header nests": (d.model(d.safetensors(b'{"w":' * 50_000)), "nests more than 64 levels"),
    "tensor named twice": (
        d.model(d.safetensors(b'{"w":1, "w":2}', bytes(12))),
        "the key 'w' stands twice",
    ),
    "field named twice": (
        d.model(d.safetensors(b'{"w":{"dtype":"F32","dtype":"F16"}}', bytes(12))),
        "the key 'dtype' stands twice",
    ),
    "unknown dtype": (
        d.model(d.safetensors({"w": d.entry(dtype="F31")}, bytes(12))),
        "the tensor 'w' has the unknown dtype 'F31'",
    ),
    "dtype is a list": (
        d.model(d.safetensors({"w": d.entry(dtype=["F32"])}, bytes(12))),
        "has the unknown dtype",
    ),
    "extra field": (
        d.model(d.safetensors({"w": d.entry() | {"code": "x"}}, bytes(12))),
        "has other fields than dtype, shape and data_offsets",
    ),
    "negative size": (
        d.model(d.safetensors({"w": d.entry((-3,), 0, 12)}, bytes(12))),
        "has a shape or offsets that are not sizes",
    ),
    "size is a truth": (
        d.model(d.safetensors({"w": d.entry((True,), 0, 4)}, bytes(4))),
        "has a shape or offsets that are not sizes",
    ),
    "a thousand dimensions": (
        d.model(d.safetensors({"w": d.entry((HUGE,) * 1000, 0, 12)}, bytes(12))),
        "has a shape or offsets that are not sizes",
    ),
    "shape overflows": (
        d.model(d.safetensors({"w": d.entry((HUGE, HUGE, 4), 0, 0)})),
        "names more or fewer bytes than its shape needs",
    ),
    "shape at odds with offsets": (
        d.model(d.safetensors({"w": d.entry((3,), 0, 16)}, bytes(16))),
        "names more or fewer bytes than its shape needs",
    ),
    "empty tensor reuses an offset": (
        d.model(d.safetensors({"w": d.entry(), "v": d.entry((0,), 4)}, bytes(12))),
        "the tensor 'v' has no elements",
    ),
    "overlap": (
        d.model(d.safetensors({"w": d.entry(), "v": d.entry((3,), 8)}, bytes(20))),
        "the tensor 'v' overlaps",
    ),
    "same bytes twice": (
        d.model(d.safetensors({"w": d.entry(), "v": d.entry()}, bytes(12))),
        "overlaps the tensor before it",
    ),
    "hole": (
        d.model(d.safetensors({"w": d.entry(), "v": d.entry((3,), 16)}, bytes(28))),
        "the tensor 'v' leaves bytes before it that belong to nothing",
    ),
    "cut short": (d.model(d.GOOD[:-1]), "is cut short: its tensors need 12 bytes and it holds 11"),
    "something appended": (d.model(d.GOOD + BOMB), "bytes after the last tensor belong to nothing"),
    "metadata with a list": (
        d.model(d.safetensors({"__metadata__": {"x": []}, "w": d.entry()}, bytes(12))),
        "__metadata__ in the header is not a table of texts",
    ),
    # the index of shards
    "shard above": (d.sharded({"w": "../evil"}, {}), "not a plain file name"),
    "shard is absolute": (d.sharded({"w": "/etc/passwd"}, {}), "not a plain file name"),
    "shard with NUL": (d.sharded({"w": "a\0b"}, {}), "not a plain file name"),
    "shard with a backslash": (d.sharded({"w": "..\\evil"}, {}), "not a plain file name"),
    "shard is the folder": (d.sharded({"w": "."}, {}), "not a plain file name"),
    "shard is a link out": (d.link_in_index, "is a symbolic link out of its folder"),
    "shard is missing": (d.sharded({"w": "a.safetensors"}, {}), "a.safetensors is missing"),
    "shard is a number": (d.sharded({"w": 7}, {}), "has no weight_map"),
    "no weight_map": (d.sharded(None, {}), "has no weight_map"),
    "index lists too much": (
        d.sharded({"w": "a.safetensors", "v": "a.safetensors"}, {"a.safetensors": d.GOOD}),
        "lists the tensor 'v', which a.safetensors does not hold",
    ),
    "index lists too little": (
        d.sharded({"v": "a.safetensors"}, {"a.safetensors": d.GOOD}),
        "holds the tensor 'w', which model.safetensors.index.json does not list there",
    ),
    # config.json
    "config is not JSON": (d.config(b"model_type: bert"), "config.json is not JSON"),
    "config is a list": (d.config(b"[]"), "config.json is not a JSON object"),
    "config with NaN": (d.config(b'{"layer_norm_eps": NaN}'), "NaN is not a JSON number"),
    "config with a long number": (d.config(b'{"a": ' + b"9" * 9999 + b"}"), "is not JSON"),
    "config key twice": (d.config(b'{"a": 1, "a": 2}'), "the key 'a' stands twice"),
    "config is too deep": (d.config(b'{"a":' + b"[" * 99 + b"]" * 99 + b"}"), "nests more than 64"),
    "config is too large": (d.config(b'{"a":"' + b"x" * 2**22 + b'"}'), "is more than the 4194304"),
    "config with half a character": (
        d.config(b'{"a": "\\ud800"}'),
        "holds half of a surrogate pair",
    ),
    "code by auto_map": (
        d.config({"auto_map": {"AutoModel": "modeling_evil.EvilModel"}}),
        "the key 'auto_map' asks for code",
    ),
    "code by trust_remote_code": (
        d.config({"text_config": {"trust_remote_code": True}}),
        "the key 'trust_remote_code' asks for code",
    ),
    "code by a kernel": (
        d.config({"_attn_implementation_internal": "evil/kernel"}),
        "the key '_attn_implementation_internal' asks for code",
    ),
    "code by attention": (
        d.config({"attn_implementation": "evil/kernel"}),
        "the key 'attn_implementation' asks for code",
    ),
    "code from a repository": (
        d.config({"layers": [{"norm": "evil/repo--modeling.Norm"}]}),
        "the key 'norm' asks for code",
    ),
    # GGUF
    "gguf too short": (d.files(model__gguf=b"GGUF"), "it is too short to hold a header"),
    "gguf magic": (d.gguf(magic=b"GGML"), "does not begin as GGUF"),
    "gguf high byte first": (d.gguf(version=3 << 24), "does not begin as GGUF"),
    "gguf 2**62 tensors": (d.gguf(num_tensors=HUGE), "a count in it is too large"),
    "gguf 2**62 keys": (d.gguf(num_fields=HUGE), "a count in it is too large"),
    "gguf more keys than it holds": (d.gguf(num_fields=2, data=64), "; fetch the file again"),
    "gguf endless text": (d.gguf((struct.pack("<Q", HUGE),)), "a text in it is too long"),
    "gguf text past the end": (d.gguf((struct.pack("<Q", 999),)), "it is cut short"),
    "gguf 2**61 numbers": (
        d.gguf((d.field("a", 9, struct.pack("<IQ", 4, 2**61)),)),
        "a count in it is too large",
    ),
    "gguf list of lists": (
        d.gguf((d.field("a", 9, struct.pack("<IQ", 9, 1)),)),
        "a value in it has an unknown type",
    ),
    "gguf unknown type": (d.gguf((d.field("a", 77, b""),)), "a value in it has an unknown type"),
    "gguf not UTF-8": (
        d.gguf((d.field("a", 8, struct.pack("<Q", 1) + b"\xff"),)),
        "a text in it is not UTF-8",
    ),
    "gguf key twice": (d.gguf((d.field("a", 7, b"\1"),) * 2), "'a' stands in it twice"),
    "gguf tensor twice": (d.gguf((), (d.tensor("w"),) * 2, data=64), "'w' stands in it twice"),
    "gguf five dimensions": (d.gguf((), (d.tensor("w", (1,) * 5),)), "more than 4 dimensions"),
    "gguf ggml type": (d.gguf((), (d.tensor("w", kind=999),)), "tensors of ggml type 999"),
    "gguf half a block": (d.gguf((), (d.tensor("w", (31,), kind=8),)), "not whole blocks"),
    "gguf product overflows": (
        d.gguf((), (d.tensor("w", (HUGE, HUGE, HUGE, HUGE)),)),
        "it is cut short in the tensor 'w'",
    ),
    "gguf offset past the end": (
        d.gguf((), (d.tensor("w", offset=2**63),)),
        "it is cut short in the tensor 'w'",
    ),
    "gguf cut short": (d.gguf((), (d.tensor("w", (9,)),)), "it is cut short in the tensor 'w'"),
    "gguf overlap": (
        d.gguf((), (d.tensor("w", (9,)), d.tensor("v", (9,), offset=32)), data=96),
        "the tensor 'v' lies over another",
    ),
    "gguf alignment of 0": (
        d.gguf((d.field("general.alignment", 4, bytes(4)),)),
        "its alignment is not a multiple of 8",
    ),
    "gguf one part of several": (
        d.gguf((d.field("split.count", 2, b"\2\0"),)),
        "is one part of several",
    ),
}

EVENTS: set[str] = set()
sys.addaudithook(lambda event, _: EVENTS.add(event))  # a hook cannot be taken off again


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    write, sentence = CASES[name]
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder)
    before = sorted(tmp_path.rglob("*"))
    EVENTS.clear()

    start = time.perf_counter()
    with pytest.raises(CheckpointError) as caught:
        open_weights(folder)

    assert time.perf_counter() - start < 2
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")
    assert not {"pickle.find_class", "os.system", "subprocess.Popen"}.intersection(EVENTS)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_undamaged_twin_opens(tmp_path: Path) -> None:
    """The cases above fail by their damage, not by what they share."""
    d.model(d.GOOD)(tmp_path)
    assert open_weights(tmp_path).shape("w") == (3,)
    (tmp_path / "g").mkdir()
    d.gguf((d.field("a", 7, b"\1"),), (d.tensor("w"),))(tmp_path / "g")
    weights = open_weights(tmp_path / "g")
    assert weights.metadata == {"a": True} and weights.tensor("w").tolist() == [0.0] * 5


@pytest.mark.parametrize("value", ["sentence-transformers/all-MiniLM-L6-v2", "a--b", "gelu"])
def test_a_name_is_not_code(value: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": value}))
    assert read_config(tmp_path) == {"_name_or_path": value}


def test_neither_folder_nor_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a folder nor a file"):
        open_weights(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match="is not a file of weights"):
        open_weights(tmp_path / "notes.txt")
    (tmp_path / "old.pt").write_bytes(BOMB)
    with pytest.raises(CheckpointError, match=r"old\.pt: Mason opens only"):
        open_weights(tmp_path / "old.pt")
