"""Activations by their standard names."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mason.errors import SettingsError

Activation = Callable[[Tensor], Tensor]


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _relu_squared(x: Tensor) -> Tensor:
    return F.relu(x).square()


ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "relu_squared": _relu_squared,
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def activation(name: str) -> Activation:
    """The function of this name.

    Raises:
        SettingsError: There is none of this name.
    """
    if name not in ACTIVATIONS:
        raise SettingsError(
            "There is no activation called {name!r}; choose one of {known}.",
            name=name,
            known=", ".join(ACTIVATIONS),
        )
    return ACTIVATIONS[name]
