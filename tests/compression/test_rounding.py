"""Weights in 4 bits by GPTQ: nearer than rounding alone, written and read back as they are."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mason.compression.rounding import hold_in_int4_by, rounded_by
from mason.errors import CheckpointError
from mason.layers import Grid, Int4Linear, hold_in_int4
from mason.models.checkpoints import load_model
from mason.models.eight_bits import refuse_rounded
from mason.models.families import find_family
from mason.models.packed import Packed
from mason.models.saving import save_model
from mason.models.transformer import Transformer

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 71,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}
TEXTS = [[(7 * i + j * j) % 97 for j in range(29)] for i in range(23)]


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(5)
    family = find_family(CONFIG, Path("config.json"))
    return Transformer(family.read_config(CONFIG, ("language",))).eval()


def _logits(model: Transformer) -> torch.Tensor:
    with torch.no_grad():
        return model.logits("language", Packed.of(TEXTS[:3]))


def test_products_are_nearer_than_those_of_the_nearest_codes() -> None:
    torch.manual_seed(3)
    mixing = torch.randn(67, 67) * torch.rand(67) ** 4
    weight, rows = torch.randn(31, 67), torch.randn(509, 67) @ mixing
    codes, grid = rounded_by(weight, rows.T @ rows)
    nearest = Grid.of(weight)
    fresh = torch.randn(101, 67) @ mixing

    def lost(values: torch.Tensor) -> float:
        return float(((values - weight) @ fresh.T).square().mean())

    assert lost(grid.values(codes)) < 0.6 * lost(nearest.values(nearest.codes(weight)))


def test_a_model_loses_less(model: Transformer) -> None:
    for parameter in model.parameters():
        parameter.data *= 4 if parameter.dim() == 2 else 1
    before = _logits(model)
    family_of = model.spec
    alone = Transformer(family_of).eval()
    alone.load_state_dict(model.state_dict())
    hold_in_int4(alone)
    hold_in_int4_by(model, TEXTS)
    assert sum(isinstance(m, Int4Linear) for m in model.modules()) == 8
    assert (_logits(model) - before).norm() < (_logits(alone) - before).norm()


def test_it_is_read_back_as_it_was_written(model: Transformer, tmp_path: Path) -> None:
    family = find_family(CONFIG, tmp_path)
    hold_in_int4_by(model, TEXTS)
    save_model(model, family, tmp_path)
    again = load_model(tmp_path).model
    assert torch.equal(_logits(again), _logits(model))
    assert again.decoder.embedding.tokens.weight is again.heads["language"].output.weight
    with pytest.raises(CheckpointError, match="4 bits"):
        refuse_rounded(again, "it")


def test_a_file_that_does_not_fit_is_refused(model: Transformer, tmp_path: Path) -> None:
    save_model(hold_in_int4(model), find_family(CONFIG, tmp_path), tmp_path)
    file = tmp_path / "model.int4.safetensors"
    held = load_file(file)
    name = next(name for name in held if name.endswith("packed"))
    for broken in (
        {k: v for k, v in held.items() if k != name},
        held | {name: held[name][:1].clone()},
        held | {"another": torch.zeros(1)},
    ):
        save_file(broken, file)
        with pytest.raises(CheckpointError, match="does not fit"):
            load_model(tmp_path)
