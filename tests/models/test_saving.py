"""What a family's format cannot say is refused when saving, not forgotten."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mason.errors import CheckpointError
from mason.models.checkpoints import load_model, spec_of
from mason.models.families import FAMILIES
from mason.models.saving import save_model
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer

BERT = {"model_type": "bert", "vocab_size": 31, "hidden_size": 22, "num_attention_heads": 2} | {
    "num_hidden_layers": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 19,
}


def _bert(**encoder: Any) -> ModelSpec:
    spec = spec_of(BERT, heads=("language",))
    assert spec.encoder is not None
    return replace(spec, encoder=replace(spec.encoder, **encoder))


def test_what_the_config_can_say_comes_back(tmp_path: Path) -> None:
    spec = _bert(dropout=0.25, embedding=replace(_bert().encoder.embedding, dropout=0.25))
    save_model(Transformer(spec), FAMILIES["bert"], tmp_path)
    assert load_model(tmp_path).model.spec == spec


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ({"causal": True}, "encoder.causal = True, but config.json of the family bert can only"),
        ({"alibi": True}, "encoder.alibi = True"),
        ({"pattern": ("full", "local"), "window": 3}, r"encoder.pattern = \('full', 'local'\)"),
        ({"attention": replace(_bert().encoder.attention, scale=1.0)}, "attention.scale = 1.0"),
        ({"dropout": 0.25}, "hidden_dropout_prob holds one value"),
        ({"placement": "pre"}, "encoder.placement = pre"),
    ],
    ids=str,
)
def test_what_it_cannot_say_is_refused(encoder: dict[str, Any], said: str, tmp_path: Path) -> None:
    model = Transformer(_bert(**encoder))
    with pytest.raises(CheckpointError, match=said):
        save_model(model, FAMILIES["bert"], tmp_path)
    assert not list(tmp_path.iterdir())
