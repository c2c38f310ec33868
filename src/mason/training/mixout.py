"""Mixout: dropout that falls back on the pretrained weights instead of on zero."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mason.training.state import Objective


class Mixout:
    """An objective whose weights are, value by value, now and then those before training.

    Lee et al. (2020): with probability ``rate`` a value is the pretrained one, and the others
    are moved so that the mean stays what is learned. It keeps a model that learns from few
    rows near what it knew. The matrices of the layers are mixed, embeddings and what started
    from random weights are not.

    Args:
        objective: What is learned from.
        model: As pretrained; its matrices are copied.
        rate: Share of values that fall back, from 0 to below 1.
        fresh: Parameters that started from random weights.
    """

    def __init__(
        self, objective: Objective, model: nn.Module, rate: float, fresh: Iterable[str] = ()
    ) -> None:
        self.objective, self.rate = objective, rate
        new = set(fresh)
        self.before = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
            and parameter.ndim == 2
            and ".layers." in name
            and name not in new
        }

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example."""
        return self.objective.lengths

    def count(self, batch: Any) -> int:
        """How many targets the batch has."""
        return self.objective.count(batch)

    def loss(self, model: nn.Module, run: Sequence[int]) -> Tensor:
        """The summed loss of a run under mixed weights."""
        named = dict(model.named_parameters())
        mixed = {
            f"model.{name}": mix(named[name], before, self.rate)
            for name, before in self.before.items()
        }
        asked = _Asked(model, self.objective.loss)
        found: Tensor = functional_call(asked, mixed, (run,))
        return found


def mix(now: Tensor, before: Tensor, rate: float) -> Tensor:
    """Each value with probability ``rate`` as before; the expected value is ``now``.

    The i-th is ``(m·before + (1 − m)·now − rate·before) / (1 − rate)``, m drawn anew.
    """
    kept = (torch.rand_like(now) >= rate).to(now.dtype)
    return before + kept * (now - before) / (1 - rate)


def with_mixout(
    objective: Objective, model: nn.Module, rate: float, fresh: Iterable[str]
) -> Objective:
    """The objective, with mixout where the rate is above 0; see ``Mixout``."""
    return Mixout(objective, model, rate, fresh) if rate else objective


class _Asked(nn.Module):
    """A loss as a module's forward, since only a module's weights can be exchanged for a call."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Sequence[int]], Tensor]) -> None:
        super().__init__()
        self.training = model.training
        self.model, self.ask = model, loss

    def forward(self, run: Sequence[int]) -> Tensor:
        """The summed loss of a run."""
        return self.ask(self.model, run)
