"""Which parameter learns at which rate, and which decays."""

import pytest
import torch

from mason.training.optimizers import build_optimizer, set_rates
from mason.training.recipe import Recipe
from tests.training.small import build


def _groups(
    model: torch.nn.Module, recipe: Recipe, fresh: tuple[str, ...] = ()
) -> dict[str, dict[str, float]]:
    """The group of each parameter, by the parameter's name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = build_optimizer(model, recipe, fresh)
    return {names[id(p)]: g for g in optimizer.param_groups for p in g["params"]}


def test_matrices_decay_and_vectors_do_not() -> None:
    model = build("encoder")
    groups = _groups(model, Recipe(weight_decay=0.07))
    assert set(groups) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert groups[name]["weight_decay"] == (0.07 if parameter.ndim > 1 else 0), name
    assert {g["weight_decay"] for n, g in groups.items() if n.endswith("bias")} == {0}


def test_each_layer_below_the_top_learns_slower() -> None:
    groups = _groups(build("decoder"), Recipe(learning_rate=0.1, layer_decay=0.5))
    by_part = {
        "decoder.embedding.": 0.1 * 0.5**3,
        "decoder.layers.0.": 0.1 * 0.5**2,
        "decoder.layers.1.": 0.1 * 0.5,
        "decoder.layers.2.": 0.1,
        "decoder.norm.": 0.1,
        "heads.": 0.1,
    }
    for part, rate in by_part.items():
        rates = [g["peak"] for name, g in groups.items() if name.startswith(part)]
        assert rates and rates == pytest.approx([rate] * len(rates)), part


def test_what_starts_fresh_may_learn_at_its_own_rate() -> None:
    fresh = ("heads.classification.output.weight",)
    groups = _groups(build("encoder"), Recipe(learning_rate=1e-3, head_learning_rate=0.5), fresh)
    assert {n for n, g in groups.items() if g["peak"] == 0.5} == set(fresh)
    assert {g["peak"] for n, g in groups.items() if n not in fresh} == {1e-3}


def test_frozen_parameters_are_left_out() -> None:
    model = build("encoder")
    model.encoder.embedding.requires_grad_(False)
    groups = _groups(model, Recipe())
    assert not any("embedding" in name for name in groups)
    assert any("layers" in name for name in groups)


def test_a_share_of_the_peak_is_each_groups_own() -> None:
    optimizer = build_optimizer(build("decoder"), Recipe(learning_rate=0.1, layer_decay=0.5))
    set_rates(optimizer, 0.25)
    for group in optimizer.param_groups:
        assert group["lr"] == 0.25 * group["peak"]
