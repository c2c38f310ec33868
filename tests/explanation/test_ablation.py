"""Parts switched off beside transformers' copy with the same parts taken out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from mason.errors import SettingsError
from mason.explanation.ablation import Part, ablate, parts_of, without
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.models.transformer import Transformer

TOKENS = [2, 17, 31, 8, 44, 23, 3]
BERT = {"hidden_size": 34, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT |= {"intermediate_size": 37, "vocab_size": 53, "initializer_range": 0.2, "num_labels": 3}
LLAMA = {**BERT, "hidden_size": 40, "num_attention_heads": 4, "num_key_value_heads": 2}
HEADS = {
    "BertForSequenceClassification": (BERT, "bert.encoder.layer", "attention.output.dense", 17),
    "LlamaForSequenceClassification": (LLAMA, "model.layers", "self_attn.o_proj", 10),
}


class Both:
    """The same weights twice."""

    def __init__(self, kind: str, folder: Path) -> None:
        config, layers, self.output, self.width = HEADS[kind]
        torch.manual_seed(7)
        named: Any = getattr(transformers, kind)
        self.theirs = named(named.config_class(**config, pad_token_id=0, use_cache=False)).eval()
        self.theirs.save_pretrained(folder)
        self.ours: Transformer = load_model(folder).model.eval()
        self.layers = self.theirs.get_submodule(layers)

    @torch.no_grad()
    def logits(self) -> tuple[torch.Tensor, torch.Tensor]:
        ours = self.ours.logits("classification", Packed.of([TOKENS]))
        return ours, self.theirs(torch.tensor([TOKENS])).logits


@pytest.fixture(params=HEADS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    return Both(request.param, tmp_path)


def test_a_head_is_off(both: Both) -> None:
    place = "encoder" if both.ours.encoder is not None else "decoder"
    whole, _ = both.logits()
    with torch.no_grad():
        weight = both.layers[1].get_submodule(both.output).weight
        weight[:, both.width : 2 * both.width] = 0
    with without(both.ours, Part(place, 1, 1)):  # type: ignore[arg-type]
        ours, theirs = both.logits()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert (ours - whole).abs().max() > 1e-4, "nothing was switched off"
    assert torch.equal(both.logits()[0], whole)


def test_a_layer_is_off(both: Both) -> None:
    place = "encoder" if both.ours.encoder is not None else "decoder"
    whole, _ = both.logits()
    del both.layers[2]
    both.theirs.config.num_hidden_layers = 2
    with without(both.ours, Part(place, 2)):  # type: ignore[arg-type]
        ours, theirs = both.logits()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert (ours - whole).abs().max() > 1e-4


def test_what_a_part_is_worth(both: Both) -> None:
    parts = parts_of(both.ours)
    heads = both.ours.spec.stack.attention.num_heads
    assert len(parts) == 3 + 3 * heads and parts[0].head is None
    calls: list[float] = []

    def measure() -> Any:
        calls.append(float(both.logits()[0][0, 0]))
        # The first part off costs every row but one; nothing else changes.
        return np.append(np.zeros(29) if len(calls) == 1 else np.ones(29), 1.0)

    found = ablate(both.ours, np.ones(30), measure, parts)
    assert len(set(calls)) == len(parts), "each part changes what the model says"
    assert found[0].change == pytest.approx(-29 / 30) and found[0].sure
    assert found[0].low <= found[0].change <= found[0].high < 0
    assert not any(one.sure for one in found[1:])
    calls.clear()
    of_one_text = ablate(both.ours, np.ones(30), measure, parts, groups=["one text"] * 30)
    assert of_one_text[0].change == found[0].change and not of_one_text[0].sure


def test_shared_layers(tmp_path: Path) -> None:
    small = {"embedding_size": 22, "hidden_size": 34, "num_attention_heads": 2, "vocab_size": 53}
    config = transformers.AlbertConfig(**small, intermediate_size=37, num_hidden_layers=3)
    transformers.AlbertModel(config).save_pretrained(tmp_path)
    with pytest.raises(SettingsError, match="share one set"):
        parts_of(load_model(tmp_path).model)
