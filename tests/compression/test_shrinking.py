"""Parts taken out: what is left computes as if the parts gave nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from mason.compression import (
    importance_of,
    least_needed_layers,
    num_heads_of,
    with_blank_heads,
    without_heads,
    without_layers,
    without_neurons,
)
from mason.errors import CheckpointError
from mason.layers import RelativeSpec
from mason.models import Packed, Transformer
from mason.models.checkpoints import load_model, spec_of
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.families import find_family
from mason.models.saving import save_model
from mason.models.shapes import shape
from mason.tasks.classification import ClassificationObjective, Examples

TEXTS = [[5, 7, 11, 13], [17, 3], [2, 19, 23, 29, 31, 37, 41]]
EXAMPLES = Examples(TEXTS, None, [0, 1, 1])


def _model(name: str) -> Transformer:
    torch.manual_seed(3)
    spec = shape(name, heads=("classification",), vocab_size=53, initializer_range=0.2)
    return Transformer(replace(spec, labels=("a", "b"))).eval()


def _hidden(model: Transformer) -> torch.Tensor:
    with torch.no_grad():
        return model(Packed.of(TEXTS))


@pytest.mark.parametrize("name", ["bert-tiny", "llama-tiny", "modernbert-tiny"])
def test_a_layer_that_adds_nothing_is_not_missed(name: str) -> None:
    model = _model(name)
    stack = model.encoder or model.decoder
    assert stack is not None
    kept = [i for i in range(stack.spec.depth) if i != 1]
    smaller = without_layers(model, kept)
    assert smaller.spec.input_stack.depth == len(kept)
    layers = [stack.layers[i] for i in kept]
    if name != "llama-tiny":
        made = smaller.encoder
        assert made is not None
        for ours, theirs in zip(made.layers, layers, strict=True):
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                assert torch.equal(mine, other)
        return
    with torch.no_grad():  # before the norm: a block that adds zeros is as good as none
        stack.layers[1].attention.block.output.weight.zero_()
        stack.layers[1].feed_forward.block.output.weight.zero_()
    assert torch.allclose(_hidden(model), _hidden(smaller), atol=1e-5)


@pytest.mark.parametrize("name", ["bert-tiny", "llama-tiny", "modernbert-tiny"])
def test_neurons_that_give_nothing_are_not_missed(name: str) -> None:
    model = _model(name)
    stack = model.encoder or model.decoder
    assert stack is not None
    kept = [torch.randperm(layer.feed_forward.block.output.in_features)[:61].sort().values
            for layer in stack.layers]  # fmt: skip
    with torch.no_grad():
        for layer, numbers in zip(stack.layers, kept, strict=True):
            gone = torch.ones(layer.feed_forward.block.output.in_features, dtype=torch.bool)
            gone[numbers] = False
            layer.feed_forward.block.output.weight[:, gone] = 0
    smaller = without_neurons(model, kept)
    assert smaller.spec.input_stack.feed_forward.width == 61
    assert torch.allclose(_hidden(model), _hidden(smaller), atol=1e-4)


@pytest.mark.parametrize("name", ["bert-tiny", "llama-tiny", "modernbert-tiny"])
def test_heads_that_give_nothing_are_not_missed(name: str) -> None:
    model = _model(name)
    stack = model.encoder or model.decoder
    assert stack is not None
    attention = stack.layers[0].attention.block
    shared = attention.num_heads // attention.num_kv_heads * attention.head_width
    with torch.no_grad():
        for layer in stack.layers:
            layer.attention.block.output.weight[:, :shared] = 0
    groups = num_heads_of(model.spec)
    kept = [torch.arange(1, groups)] * stack.spec.depth
    smaller = without_heads(model, kept)
    assert num_heads_of(smaller.spec) == groups - 1
    assert torch.allclose(_hidden(model), _hidden(smaller), atol=1e-4)
    again = with_blank_heads(smaller)
    assert again.spec == model.spec
    assert torch.allclose(_hidden(again), _hidden(smaller), atol=1e-5)


def test_heads_stay_where_places_are_told_head_by_head() -> None:
    spec = _model("bert-tiny").spec
    assert spec.encoder is not None and num_heads_of(spec) == 2
    for changed in (
        replace(spec.encoder, alibi=True),
        replace(spec.encoder, relative=RelativeSpec()),
    ):
        assert num_heads_of(replace(spec, encoder=changed)) == 0


@pytest.mark.parametrize(("name", "bits"), [("bert-tiny", 8), ("bert-tiny", 4), ("llama-tiny", 32)])
def test_what_is_left_of_heads_is_read_again(name: str, bits: int, tmp_path: Path) -> None:
    model = _model(name)
    smaller = without_heads(model, [torch.tensor([1])] * model.spec.input_stack.depth).eval()
    if bits < 32:
        hold_in_eight_bits(smaller, bits=bits)
    save_model(smaller, find_family({"model_type": name.split("-")[0]}, tmp_path), tmp_path)
    again = load_model(tmp_path).model
    assert again.spec == smaller.spec
    assert torch.equal(_hidden(again), _hidden(smaller))


@pytest.mark.parametrize(("width", "read"), [(64, None), (32, 32)])
def test_a_width_that_says_no_more_than_the_config_is_none(width: int, read: int | None) -> None:
    config = {"model_type": "bert", "hidden_size": 128, "num_attention_heads": 2}
    spec = spec_of(config | {"head_dim": width})
    assert spec.encoder is not None and spec.encoder.attention.head_width == read
    with pytest.raises(CheckpointError, match="no width of a head"):
        spec_of(config | {"head_dim": "64"})


def test_a_folder_that_others_would_misread_is_not_written(tmp_path: Path) -> None:
    model = _model("bert-tiny")
    smaller = without_heads(model, [torch.tensor([1])] * model.spec.input_stack.depth)
    with pytest.raises(CheckpointError, match="8 or 4 bits"):
        save_model(smaller, find_family({"model_type": "bert"}, tmp_path), tmp_path)
    assert not list(tmp_path.iterdir())
    save_model(with_blank_heads(smaller), find_family({"model_type": "bert"}, tmp_path), tmp_path)
    theirs = AutoModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        rows = theirs(torch.tensor(TEXTS[2:])).last_hidden_state[0]
    assert torch.allclose(rows, _hidden(smaller.eval())[-len(TEXTS[2]) :], atol=1e-4)


def test_what_matters_is_found() -> None:
    model = _model("bert-tiny")
    assert model.encoder is not None
    block = model.encoder.layers[1].feed_forward.block
    with torch.no_grad():
        block.output.weight.zero_()
        block.output.weight[:, [3, 17, 101]] = torch.randn(128, 3)
    objective = ClassificationObjective(EXAMPLES)
    before = {name: p.clone() for name, p in model.named_parameters()}
    found = importance_of(model, objective, [[0, 2], [1]])
    assert found.best_neurons([1], 3)[0].tolist() == [3, 17, 101]
    assert found.heads.shape == (2, 2) and found.neurons.shape == (2, 512)
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in model.named_parameters())


def test_the_layer_that_is_missed_least_goes_first() -> None:
    model = _model("llama-tiny")
    assert model.decoder is not None
    with torch.no_grad():
        for part in ("attention", "feed_forward"):
            getattr(model.decoder.layers[2], part).block.output.weight.mul_(1e-3)
    whole = _hidden(model)
    order = least_needed_layers(model, lambda m: float((_hidden(m) - whole).norm()), 2)
    assert order[0] == 2 and len(order) == 2
