"""GGUF files beside transformers, which reads them too; and what must not be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers

from benchmarks.parity_oracle import distance
from mason.errors import CheckpointError
from mason.models.checkpoints import load_model
from mason.models.packed import Packed

WIDTH, DEPTH, HEADS, KV_HEADS, INNER, VOCABULARY = 24, 2, 6, 2, 37, 61
SIZES = {
    "embedding_length": WIDTH,
    "block_count": DEPTH,
    "feed_forward_length": INNER,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "context_length": 31,
    "vocab_size": VOCABULARY,
}
SQUARE = np.ones((WIDTH, WIDTH), dtype=np.float32)
TEXTS = [[5, 17, 23, 7, 41], [11], [13, 19, 60]]

Write = Callable[..., Path]


def _permuted(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Halves to interleaved pairs: what llama.cpp's converter does to queries and keys."""
    rows, columns = weight.shape
    halves = weight.reshape(num_heads, 2, rows // num_heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _tensors(*, tied: bool) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    shared = WIDTH // HEADS * KV_HEADS
    shapes = {"token_embd": (VOCABULARY, WIDTH), "output_norm": (WIDTH,)}
    for i in range(DEPTH):
        layer = {
            "attn_norm": (WIDTH,),
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (shared, WIDTH),
            "attn_v": (shared, WIDTH),
            "attn_output": (WIDTH, WIDTH),
            "ffn_norm": (WIDTH,),
            "ffn_gate": (INNER, WIDTH),
            "ffn_up": (INNER, WIDTH),
            "ffn_down": (WIDTH, INNER),
        }
        shapes |= {f"blk.{i}.{name}": shape for name, shape in layer.items()}
    if not tied:
        shapes["output"] = (VOCABULARY, WIDTH)
    found = {f"{n}.weight": random.normal(0, 0.3, s) for n, s in shapes.items()}
    return {name: array.astype(np.float32) for name, array in found.items()}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(
        changes: dict[str, Any] | None = None,
        *,
        tied: bool = False,
        tensors: dict[str, np.ndarray] | None = None,
        architecture: str = "llama",
    ) -> Path:
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        for key, value in {**SIZES, **(changes or {})}.items():
            if isinstance(value, list):
                writer.add_array(f"{architecture}.{key}", value)
            elif value is not None:
                writer.add_uint32(f"{architecture}.{key}", value)
        writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
        writer.add_float32(f"{architecture}.rope.freq_base", 1009.0)
        writer.add_uint32("tokenizer.ggml.eos_token_id", 2)
        for name, array in (_tensors(tied=tied) | (tensors or {})).items():
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name.split(".")[-2])
            writer.add_tensor(name, _permuted(array, heads) if heads else array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return file


@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_logits_are_those_of_transformers(write: Write, tied: bool) -> None:
    path = write({"rope.dimension_count": WIDTH // HEADS}, tied=tied)
    checkpoint = load_model(path)
    assert (checkpoint.fresh, checkpoint.dropped) == ((), ())
    assert checkpoint.model.spec.special.eos == 2
    assert checkpoint.model.spec.heads["language"].tied == tied
    theirs = transformers.LlamaForCausalLM.from_pretrained(path.parent, gguf_file=path.name).eval()
    expected = torch.cat([theirs(torch.tensor([text])).logits[0] for text in TEXTS])
    assert distance(checkpoint.model.logits("language", Packed.of(TEXTS)), expected) <= 1e-5


def test_what_is_not_said_follows_from_the_rest(write: Write) -> None:
    """No count of key heads: as many as heads. No size of the vocabulary: the table's rows."""
    wide = {f"blk.{i}.attn_{part}.weight": SQUARE for i in range(DEPTH) for part in "kv"}
    path = write({"attention.head_count_kv": None, "vocab_size": None}, tensors=wide)
    spec = load_model(path).model.spec
    assert (spec.stack.attention.num_kv_heads, spec.vocab_size) == (HEADS, VOCABULARY)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no count of heads": ({"attention.head_count": None}, "llama.attention.head_count is not said"),
    "heads by layer": ({"attention.head_count": [6, 3]}, r"head_count = \[6, 3\] is not known"),
    "half of a head turns": ({"rope.dimension_count": 2}, "rope.dimension_count = 2 is not known"),
    "narrow values": ({"attention.value_length": 3}, "attention.value_length = 3 is not known"),
    "experts": ({"expert_count": 8}, "expert_count = 8 is not known and may change"),
    "other sizes": ({"feed_forward_length": 41}, "has the shape"),
    "fewer heads": ({"attention.head_count": 4}, "has the shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_compute_something_else_is_refused(write: Write, name: str) -> None:
    changes, sentence = REFUSED[name]
    with pytest.raises(CheckpointError, match=sentence):
        load_model(write(changes))


def test_an_unknown_tensor_is_refused(write: Write) -> None:
    factors = {"rope_freqs.weight": np.ones(2, dtype=np.float32)}
    with pytest.raises(CheckpointError, match=r"rope_freqs\.weight has no place in a llama model"):
        load_model(write(tensors=factors))


def test_another_architecture_is_refused(write: Write) -> None:
    with pytest.raises(CheckpointError, match="architecture 'gpt2' is not one Mason reads"):
        load_model(write(architecture="gpt2"))
