"""The padded graph beside the packed road, in every family of encoders and with every head."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from mason.errors import SettingsError
from mason.export.padded import PaddedNetwork
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.tasks.embedding import Reading, embed

SIZES = {"hidden_size": 26, "num_hidden_layers": 3, "num_attention_heads": 2} | {
    "vocab_size": 61,
    "intermediate_size": 37,
    "max_position_embeddings": 41,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": SIZES | {"pad_token_id": 1, "type_vocab_size": 1},
    "distilbert": {"dim": 26, "n_layers": 3, "n_heads": 2, "hidden_dim": 37, "vocab_size": 61},
    "electra": SIZES | {"embedding_size": 14},
    "albert": SIZES | {"embedding_size": 14},
    "modernbert": SIZES
    | {"hidden_size": 28, "local_attention": 6, "global_attn_every_n_layers": 2},
}
TEXTS = [[5, 17, 23, 7, 41, 9, 11, 13], [11], [13, 19, 60]]


def network(kind: str, path: Path, head: str | None) -> Transformer:
    torch.manual_seed(3)
    AutoModel.from_config(AutoConfig.for_model(kind, **FAMILIES[kind])).save_pretrained(path)
    labels = ("a", "b", "c", "d", "e")
    return load_model(path, heads=(head,) if head else (), labels=labels).model


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    """The texts with a token that means something in the empty slots."""
    ids, mask = (torch.zeros(3, 8, dtype=torch.long) for _ in range(2))
    for row, text in enumerate(TEXTS):
        ids[row], mask[row, : len(text)] = 29, 1
        ids[row, : len(text)] = torch.tensor(text)
    return ids, mask


@pytest.mark.parametrize("head", ["classification", "tagging", "answering"])
@pytest.mark.parametrize("kind", FAMILIES)
@torch.no_grad()
def test_it_gives_what_the_packed_road_gives(kind: str, head: str, tmp_path: Path) -> None:
    model = network(kind, tmp_path, head)
    ids, mask = padded()
    found = PaddedNetwork(model, head, None).eval()(ids, mask)
    wanted = model.logits(head, Packed.of(TEXTS))
    if head != "classification":
        found = torch.cat([rows[: len(text)] for rows, text in zip(found, TEXTS, strict=True)])
    assert found.shape == wanted.shape and (found - wanted).abs().max() <= 1e-5


@pytest.mark.parametrize("pooling", ["mean", "first"])
@torch.no_grad()
def test_vectors_are_those_of_the_packed_road(pooling: Any, tmp_path: Path) -> None:
    model = network("bert", tmp_path, None)
    how = Reading(pooling)
    found = PaddedNetwork(model, None, how).eval()(*padded())
    assert (found - embed(model, Packed.of(TEXTS), how)).abs().max() <= 1e-6


def test_a_decoder_is_refused_with_what_takes_it(tmp_path: Path) -> None:
    sizes = SIZES | {"num_key_value_heads": 1, "head_dim": 10}
    AutoModel.from_config(AutoConfig.for_model("llama", **sizes)).save_pretrained(tmp_path)
    model = load_model(tmp_path, heads=("classification",), labels=("a", "b")).model
    with pytest.raises(SettingsError, match="topology is decoder; mason export --format gguf"):
        PaddedNetwork(model, "classification", None)
