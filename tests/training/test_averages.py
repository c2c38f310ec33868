"""Averages of weights: their values by hand, and that the run's own weights come back."""

import pytest
import torch

from mason.training.averages import Average, swapped
from mason.training.optimizers import build_optimizer
from mason.training.recipe import Recipe
from tests.training.small import build, objective


def _line() -> torch.nn.Linear:
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer


def _set(layer: torch.nn.Linear, value: float) -> None:
    with torch.no_grad():
        layer.weight.fill_(value)


def test_an_average_forgets_fast_at_first_and_then_by_its_decay() -> None:
    layer, wanted = _line(), 0.0
    average = Average(layer.named_parameters(), 0.3)
    for value, keep in ((1.0, 2 / 11), (-2.0, 3 / 12), (5.0, 0.3), (7.0, 0.3)):
        _set(layer, value)
        average.update()
        wanted = keep * wanted + (1 - keep) * value
        assert average.tensors()["weight"].tolist() == [pytest.approx([wanted] * 3)] * 2
    assert not average.tensors()["bias"].any()


def test_the_runs_weights_come_back_even_after_a_failure() -> None:
    layer = _line()
    average = Average(layer.named_parameters(), 0.9)
    _set(layer, 0.1)
    with swapped(average.averages()):
        assert not layer.weight.any()
    assert torch.equal(layer.weight, torch.full((2, 3), 0.1))
    with pytest.raises(ZeroDivisionError), swapped(average.averages()):
        raise ZeroDivisionError
    assert torch.equal(layer.weight, torch.full((2, 3), 0.1))


def test_an_average_goes_on_from_its_tensors_bit_for_bit() -> None:
    layer = _line()
    straight = Average(layer.named_parameters(), 0.9)
    for step in range(3):
        _set(layer, 0.1 * step)
        straight.update()
    again = Average(layer.named_parameters(), 0.9)
    again.load({name: tensor.clone() for name, tensor in straight.tensors().items()})
    _set(layer, 0.7)
    straight.update()
    again.update()
    assert all(torch.equal(again.tensors()[n], t) for n, t in straight.tensors().items())


def test_frozen_weights_have_no_average() -> None:
    layer = _line()
    layer.bias.requires_grad_(False)
    assert set(Average(layer.named_parameters(), 0.9).tensors()) == {"weight", "updates"}


def test_schedule_free_weights_are_swapped_the_same_way() -> None:
    model, task = build("encoder"), objective()
    optimizer = build_optimizer(model, Recipe(optimizer="schedule_free", learning_rate=0.01))
    for _ in range(3):
        optimizer.zero_grad()
        (task.loss(model, range(16)) / 16).backward()
        optimizer.step()
    before = [p.detach().clone() for p in model.parameters()]
    averages = [(p, x.clone()) for p, x in optimizer.averages()]
    with swapped(optimizer.averages()):
        assert all(torch.equal(p, x) for p, x in averages)
        assert any(not torch.equal(p, y) for p, y in zip(model.parameters(), before, strict=True))
    assert all(torch.equal(p, y) for p, y in zip(model.parameters(), before, strict=True))
