"""Mixout does what its formula says, and learns."""

import pytest
import torch
from torch import nn

from mason.training.mixout import Mixout, mix, with_mixout


class Tower(nn.Module):
    """Something with layers, a table and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 3)
        self.stack = nn.Module()
        self.stack.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.stack.layers:
            x = layer(x)
        return x


class Squares:
    """Squares of the outputs."""

    lengths = (1,) * 7

    def count(self, batch):
        return len(batch)

    def loss(self, model, run):
        return model(torch.tensor(list(run))).square().sum()


def test_values_are_old_or_new_and_the_mean_is_new():
    now, before, rate = torch.full((200, 500), 3.0), torch.full((200, 500), 2.0), 0.3
    mixed = mix(now, before, rate)
    # By the paper's formula, for m = 1 and m = 0.
    old = (before - rate * before) / (1 - rate)
    new = (now - rate * before) / (1 - rate)
    assert mixed.unique() == pytest.approx(torch.tensor([old[0, 0], new[0, 0]]))
    assert (mixed == old).float().mean() == pytest.approx(rate, abs=0.005)
    assert mixed.mean() == pytest.approx(3.0, abs=0.01)


def test_before_the_first_step_nothing_changes():
    model, plain = Tower(), Squares()
    mixed = Mixout(plain, model, 0.5)
    assert mixed.loss(model, [1, 2]).item() == pytest.approx(plain.loss(model, [1, 2]).item())
    assert with_mixout(plain, model, 0.0, ()) is plain


def test_what_is_fresh_or_a_table_is_not_mixed():
    kept = Mixout(Squares(), Tower(), 0.5, ["stack.layers.1.weight"]).before
    assert list(kept) == ["stack.layers.0.weight"]


def test_gradients_reach_the_weights_that_learn():
    model = Tower()
    mixed = Mixout(Squares(), model, 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    torch.manual_seed(0)
    mixed.loss(model, range(7)).backward()
    grad = model.stack.layers[0].weight.grad
    assert grad is not None and (grad == 0).any() and (grad != 0).any()
    assert model.embedding.weight.grad is not None
    assert dict(model.named_parameters()).keys() == dict(Tower().named_parameters()).keys()
