"""Which parameter learns at which rate, which decays, and what an optimiser remembers."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mason.errors import SettingsError
from mason.training.optimizer_state import load_optimizer, optimizer_tensors
from mason.training.optimizers import OPTIMIZERS, build_optimizer, clip, set_rates
from mason.training.optimizers.muon import Muon
from mason.training.optimizers.schedule_free import ScheduleFree
from mason.training.recipe import Recipe
from tests.training.small import build, objective


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


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_large_gradients_are_scaled_down_as_pytorch_does(name: str) -> None:
    found = []
    for ours in (True, False):
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(17, 9), torch.nn.Linear(9, 5))
        optimizer = build_optimizer(model, Recipe(optimizer=name, learning_rate=0.1))  # type: ignore[arg-type]
        for limit in (0.3, 1e6, 2.0):  # a scale must not stay for the step after
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            if ours:
                parameters = list(model.parameters())
                norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
                clip(optimizer, parameters, norm, limit)
            else:
                torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
        found.append([p.detach() for p in model.parameters()])
    torch.testing.assert_close(*found)


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest() -> None:
    model = build("encoder")
    optimizer = build_optimizer(model, Recipe(optimizer="muon"))
    _train(model, optimizer, 0, 1)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            hidden = ".layers." in name and parameter.ndim == 2
            assert ("momentum_buffer" in optimizer.state[parameter]) == hidden, name
            assert ("exp_avg_sq" in optimizer.state[parameter]) != hidden, name


def test_muon_is_pytorchs_in_other_precision() -> None:
    """PyTorch's orthogonalises in bf16: the same to three digits or so."""
    torch.manual_seed(0)
    for shape in ((12, 40), (40, 12), (16, 16)):
        ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
        group = {"params": [ours], "lr": 0.1, "peak": 0.1, "weight_decay": 0.1, "hidden": True}
        optimizers = (
            Muon([group]),
            torch.optim.Muon([theirs], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        )
        for _ in range(4):
            ours.grad = torch.randn(shape)
            theirs.grad = ours.grad.clone()
            for optimizer in optimizers:
                optimizer.step()
        moved = float((theirs.detach() - 1).norm())
        assert float((ours - theirs).detach().norm()) < 0.02 * moved


def test_schedule_free_is_the_papers_recurrence() -> None:
    """Algorithm 1 of Defazio et al. 2024 written with x, y and z, on (w - 3)² / 2."""
    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    optimizer = ScheduleFree([{"params": [weight], "lr": 0.1, "peak": 0.1, "weight_decay": 0.02}])
    x = z = y = weight.detach().clone()
    square, total = torch.zeros_like(x), 0.0
    for step, share in enumerate((0.5, 1.0, 1.0, 1.0), 1):
        set_rates(optimizer, share)
        weight.grad = weight.detach() - 3
        optimizer.step()
        gradient = y - 3
        square = 0.999 * square + 0.001 * gradient**2
        move = gradient / ((square / (1 - 0.999**step)).sqrt() + 1e-8) + 0.02 * y
        z = z - 0.1 * share * move
        total += share**2
        x = x + share**2 / total * (z - x)
        y = 0.1 * z + 0.9 * x
        torch.testing.assert_close(weight.detach(), y, rtol=1e-12, atol=0)
        ((_, average),) = optimizer.averages()
        torch.testing.assert_close(average, x, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name: str) -> None:
    if name == "adamw8bit":
        pytest.importorskip("torchao")
    model = build("encoder")
    rate = 0.03 if name == "adafactor" else 0.003
    optimizer = build_optimizer(model, Recipe(optimizer=name, learning_rate=rate))
    losses = _train(model, optimizer, 0, 12)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    if name == "adamw8bit":
        pytest.importorskip("torchao")
    recipe = Recipe(optimizer=name, layer_decay=0.9)
    straight = _wide()
    _train(straight, build_optimizer(straight, recipe), 0, 6)

    first = _wide()
    optimizer = build_optimizer(first, recipe)
    _train(first, optimizer, 0, 3)
    tensors, facts = optimizer_tensors(optimizer, first.named_parameters())
    save_file({path: tensor.contiguous() for path, tensor in tensors.items()}, tmp_path / "state")
    told = json.loads(json.dumps(facts))

    second = _wide()
    second.load_state_dict(first.state_dict())
    optimizer = build_optimizer(second, recipe)
    load_optimizer(optimizer, second.named_parameters(), load_file(tmp_path / "state"), told)
    again, facts_again = optimizer_tensors(optimizer, second.named_parameters())
    assert facts_again == facts and set(again) == set(tensors)
    assert all(torch.equal(again[path], tensor) for path, tensor in tensors.items())
    _train(second, optimizer, 3, 6)
    for (path, wanted), got in zip(straight.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(wanted, got), path


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(SettingsError, match=r"mason-lm\[lowbit\]"):
        build_optimizer(build("encoder"), Recipe(optimizer="adamw8bit"))


def _wide() -> torch.nn.Module:
    """A stand-in with names like a model's, wide enough for states of 8 bits."""
    torch.manual_seed(7)
    layers = {"0": torch.nn.Linear(19, 64), "1": torch.nn.Linear(64, 128)}
    parts = {"layers": torch.nn.ModuleDict(layers), "head": torch.nn.Linear(128, 3)}
    return torch.nn.ModuleDict({"encoder": torch.nn.ModuleDict(parts)})


def _train(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, start: int, end: int
) -> list[float]:
    """Steps ``start`` to ``end`` on the same data every time; the gradients of the last stay."""
    losses = []
    task = objective()
    for step in range(start, end):
        set_rates(optimizer, min(1.0, (step + 1) / 2))
        optimizer.zero_grad()
        if isinstance(model, torch.nn.ModuleDict):
            seeded = torch.Generator().manual_seed(step)
            hidden = torch.randn(11, 19, generator=seeded)
            for layer in model["encoder"]["layers"].values():
                hidden = layer(hidden).tanh()
            loss = model["encoder"]["head"](hidden).square().mean()
        else:
            loss = task.loss(model, range(16)) / 16
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
