"""Reading weights: the values, lazily, and never a crash on a damaged byte."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from mason.errors import CheckpointError
from mason.models.files import open_weights, write_weights
from mason.models.files.safetensors_header import DTYPES
from tests.models.files import damage as d


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    flat = (t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b))
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*flat)


def test_every_dtype_is_read_as_safetensors_wrote_it(tmp_path: Path) -> None:
    tensors = {
        name: torch.randint(0, 2, (3, 5, 7), generator=torch.manual_seed(0)).to(dtype)
        for name, dtype in DTYPES.items()
    } | {"scalar": torch.tensor(2.5)}
    file = tmp_path / "any.safetensors"
    save_file(tensors, file)
    weights = open_weights(file)
    assert set(weights) == set(tensors)
    for name, tensor in tensors.items():
        assert weights.shape(name) == tuple(tensor.shape)
        assert weights.dtype(name) == tensor.dtype
        assert weights.source(name) == "any.safetensors"
        assert _same(weights.tensor(name), tensor)


def test_writing_to_a_tensor_never_reaches_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"w": torch.zeros(3)}, file)
    before = file.read_bytes()
    open_weights(file).tensor("w").add_(1)
    assert file.read_bytes() == before
    assert open_weights(file).tensor("w").tolist() == [0, 0, 0]


def test_a_hub_cache_links_its_files_to_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name, content in (("config.json", b"{}"), ("model.safetensors", d.GOOD)):
        (blobs / name.upper()).write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/{name.upper()}")
    assert open_weights(snapshot).names() == ["w"]


QUANTS = [q for q in gguf.GGMLQuantizationType if q.name in "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0"]


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the library's own writer: every type it can quantise to, every kind of value."""
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint32("llama.block_count", 7)
    writer.add_float32("llama.epsilon", 0.5)
    writer.add_bool("flag", True)
    writer.add_int64("long", -(2**40))
    writer.add_string("name", "石匠")
    writer.add_array("tokens", ["a", "", "Ġ词"])
    writer.add_array("kinds", [1, 3, -5])
    rng = np.random.default_rng(0)
    for quant in QUANTS:
        values = rng.standard_normal((2, 3, 64)).astype(np.float32)
        packed = gguf.quantize(values, quant)
        writer.add_tensor(quant.name, packed, raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_gguf_agrees_with_the_library_that_wrote_it(gguf_file: Path) -> None:
    weights = open_weights(gguf_file)
    reader = gguf.GGUFReader(gguf_file)
    assert weights.metadata == {
        "general.architecture": "llama",
        "llama.block_count": 7,
        "llama.epsilon": 0.5,
        "flag": True,
        "long": -(2**40),
        "name": "石匠",
        "tokens": ["a", "", "Ġ词"],
        "kinds": [1, 3, -5],
    }
    assert weights.names() == [quant.name for quant in QUANTS]
    for tensor in reader.tensors:
        wanted = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        assert weights.shape(tensor.name) == (2, 3, 64)
        assert weights.dtype(tensor.name) == torch.float32
        assert torch.equal(weights.tensor(tensor.name), wanted.reshape(2, 3, 64))


@settings(max_examples=200)
@given(data=st.data())
def test_any_damaged_byte_is_refused_or_harmless(
    data: st.DataObject, gguf_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good = data.draw(st.sampled_from([d.GOOD, gguf_file.read_bytes()]))
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    bad = bytearray(good)
    header = min(len(bad), 1200)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    bad = bad[: data.draw(st.sampled_from([len(bad), len(bad) - 1, header // 2]))]
    file = folder / ("bad.gguf" if good != d.GOOD else "bad.safetensors")
    file.write_bytes(bad)
    try:
        weights = open_weights(file)
    except CheckpointError:
        return
    for name in weights:
        assert weights.tensor(name).shape == weights.shape(name)


@pytest.fixture
def many() -> dict[str, torch.Tensor]:
    generator = torch.manual_seed(0)
    return {f"layer.{i}": torch.randn(i + 1, 13, generator=generator) for i in range(11)}


def test_shards_are_those_of_huggingface_hub(many: dict[str, torch.Tensor], tmp_path: Path) -> None:
    from huggingface_hub import split_torch_state_dict_into_shards

    write_weights(tmp_path, many, max_shard_bytes=1000)
    split = split_torch_state_dict_into_shards(
        many, filename_pattern="model{suffix}.safetensors", max_shard_size=1000
    )
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert len(split.filename_to_tensors) > 3
    assert index["weight_map"] == split.tensor_to_filename
    assert index["metadata"]["total_size"] == split.metadata["total_size"]


@pytest.mark.parametrize("max_shard_bytes", [1, 1000, 10**9])
def test_what_is_written_is_read_back(
    max_shard_bytes: int, many: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    write_weights(tmp_path, many, max_shard_bytes=max_shard_bytes)
    (tmp_path / "config.json").write_text("{}")
    weights = open_weights(tmp_path)
    assert set(weights) == set(many)
    assert all(_same(weights.tensor(name), many[name]) for name in many)


def test_transformers_reads_what_is_written(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    sizes = dict(hidden_size=22, num_hidden_layers=2, num_attention_heads=2, intermediate_size=31)
    model = BertModel(BertConfig(vocab_size=53, **sizes))
    model.config.save_pretrained(tmp_path)
    write_weights(tmp_path, model.state_dict(), max_shard_bytes=3000)
    again, told = BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert all(_same(v, model.state_dict()[k]) for k, v in again.state_dict().items())


def test_tensors_that_share_memory_are_refused(tmp_path: Path) -> None:
    table = torch.randn(7, 5)
    for alias in (table, table.t(), table[:3], table.view(35)[3:9]):
        with pytest.raises(CheckpointError, match=r"tensors \w+ and \w+ share memory"):
            write_weights(tmp_path, {"embedding": table, "head": alias})
    assert not list(tmp_path.iterdir())


def test_slices_of_a_fused_weight_are_apart(tmp_path: Path) -> None:
    rows, columns = torch.randn(6, 4), torch.randn(4, 6)
    write_weights(
        tmp_path,
        {"q": rows[:2], "k": rows[2:4], "v": rows[4:], "a": columns[:, :3], "b": columns[:, 3:]},
    )
    (tmp_path / "config.json").write_text("{}")
    weights = open_weights(tmp_path)
    assert _same(weights.tensor("k"), rows[2:4]) and _same(weights.tensor("b"), columns[:, 3:])
