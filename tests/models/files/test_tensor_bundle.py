"""TensorFlow's checkpoints: BERT as Google published it, and files that lie."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.parity_oracle import distance
from mason.errors import CheckpointError
from mason.models.checkpoints import load_model
from mason.models.files import open_weights
from mason.models.files.tensor_bundle import read_bundle
from mason.models.packed import Packed
from mason.text import load_tokenizer

from .bundle import entry, table, whole, write_bundle

SHAPE = {
    "vocab_size": 31,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 29,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.2,
}
OWN = {"directionality": "bidi", "pooler_fc_size": 24, "pooler_type": "first_token_transform"}
ROWS = [[5, 9, 7], [3], [6, 11, 8, 12, 9, 6, 30, 2]]


def theirs_to_google(name: str, tensor: torch.Tensor) -> tuple[str, np.ndarray]:
    """A weight of transformers under the name and the other way round as Google wrote it."""
    name = name.replace("layer.", "layer_").replace(".", "/")
    for theirs, google in (
        ("LayerNorm/weight", "LayerNorm/gamma"),
        ("LayerNorm/bias", "LayerNorm/beta"),
        ("embeddings/weight", "embeddings"),
        ("cls/predictions/bias", "cls/predictions/output_bias"),
        ("seq_relationship/weight", "seq_relationship/output_weights"),
        ("seq_relationship/bias", "seq_relationship/output_bias"),
    ):
        if name.endswith(theirs):
            return name.removesuffix(theirs) + google, tensor.numpy()
    if name.endswith("/weight"):
        return name.removesuffix("weight") + "kernel", tensor.T.contiguous().numpy()
    return name, tensor.numpy()


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(1)
    config = transformers.BertConfig(**SHAPE)
    found = transformers.BertForPreTraining(config).eval()
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return found


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As google-research/bert has them: weights, what the optimiser kept, config, vocabulary."""
    place = tmp_path_factory.mktemp("google")
    tensors = {}
    for name, tensor in model.named_parameters():
        google, array = theirs_to_google(name, tensor.detach())
        tensors |= {google: array, f"{google}/adam_m": array, f"{google}/adam_v": array}
    tensors["global_step"] = np.array(7, dtype=np.int64)
    write_bundle(place, tensors)
    (place / "bert_model.ckpt.meta").write_bytes(b"a graph, which nobody opens")
    (place / "bert_config.json").write_text(json.dumps(SHAPE | OWN))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(26))]
    (place / "vocab.txt").write_text("\n".join(pieces))
    return place


def test_every_layer_is_transformers_own(model: Any, folder: Path) -> None:
    found = load_model(folder, heads=("language", "next_sentence"))
    assert (found.fresh, found.dropped) == ((), ())
    seen: dict[int, torch.Tensor] = {}
    packed = Packed.of(ROWS)
    with torch.no_grad():
        found.model(packed, look=lambda i, rows: seen.__setitem__(i, rows))
        ours = [found.model.logits(head, packed) for head in ("language", "next_sentence")]
        apart = [model(torch.tensor([row]), output_hidden_states=True) for row in ROWS]
    for number, rows in seen.items():
        layer = torch.cat([one.hidden_states[number][0] for one in apart])
        assert distance(rows, layer) < 1e-5, number
    assert distance(ours[0], torch.cat([one.prediction_logits[0] for one in apart])) < 1e-5
    assert distance(ours[1], torch.cat([one.seq_relationship_logits for one in apart])) < 1e-5


def test_capitals_stay_where_the_vocabulary_has_them(folder: Path, tmp_path: Path) -> None:
    assert load_tokenizer(folder).encode_ids(["WORD3"]) == [[2, 8, 3]]
    text = (folder / "vocab.txt").read_text().replace("word3", "Word3")
    (tmp_path / "vocab.txt").write_text(text)
    assert load_tokenizer(tmp_path).encode_ids(["Word3 word3"]) == [[2, 8, 1, 3]]


def rows_of(**changes: int) -> list[tuple[bytes, bytes]]:
    return [(b"", whole(1, 1)), (b"w", entry(np.zeros((2, 3), np.float32), **changes))]


def put(place: Path, index: bytes, num_bytes: int = 24) -> Path:
    (place / "m.ckpt.data-00000-of-00001").write_bytes(bytes(num_bytes))
    (place / "m.ckpt.index").write_bytes(index)
    return place / "m.ckpt.index"


def test_texts_are_no_weights(tmp_path: Path) -> None:
    index = put(tmp_path, table(rows_of(dtype=7)))
    assert read_bundle(index) == {}


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"x" * 100,
        table(rows_of())[:-1],
        table(rows_of())[:20] + b"!" + table(rows_of())[21:],
        table([]),
        table(rows_of(size=23)),
        table(rows_of(start=1)),
        table(rows_of(start=2**63)),
        table(rows_of(shard=1)),
        table([(b"", whole(1, 2)), *rows_of()[1:]]),
        table([(b"", whole(1, 10**9)), *rows_of()[1:]]),
        table([(b"", whole(1, 1) + whole(2, 1)), *rows_of()[1:]]),
        table([rows_of()[0], (b"\xff", rows_of()[1][1])]),
        table([rows_of()[0], (b"w", b"\xff" * 20)]),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(tmp_path: Path, index: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"m\.ckpt"):
        read_bundle(put(tmp_path, index))


@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 255))
def test_no_bytes_surprise_it(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, at: int, byte: int
) -> None:
    good = bytearray(table(rows_of()))
    good[at % len(good)] = byte
    place = tmp_path_factory.mktemp("odd")
    for index in (bytes(good), tail + bytes(good[-48:])):
        try:
            tensors = read_bundle(put(place, index))
        except CheckpointError:
            continue
        assert all(lazy.read().shape == lazy.shape for lazy in tensors.values())


def test_the_folder_is_opened_like_any_other(folder: Path) -> None:
    weights = open_weights(folder)
    assert weights.tensorflow and weights.shape("bert/embeddings/word_embeddings") == (31, 24)
