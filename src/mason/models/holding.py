"""What stands for the linear maps of a model's layers, made the moment their weights are read.

So a model is never whole in the precision of its files: a folder of any size is read in the
memory of what it becomes, and of the largest of its weights.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from mason.layers import Int4Linear, Int8Linear, NF4Linear
from mason.layers.int8 import rounded_to_int8
from mason.layers.linear import Parts

Held = Literal["bf16", "int8", "int4", "nf4"]
"""In what weights are held: ``int4`` to write with, ``nf4`` to learn beside."""


def holder(held: Held) -> Callable[[nn.Linear], nn.Module]:
    """What makes of a linear map, with a weight of any precision, what stands for it."""
    return {"bf16": _in_bf16, "int8": _in_int8, "int4": Int4Linear.of, "nf4": _in_nf4}[held]


def _in_bf16(linear: nn.Linear) -> nn.Module:
    return linear.to(torch.bfloat16)


def _in_int8(linear: nn.Linear) -> nn.Module:
    return Int8Linear(*rounded_to_int8(linear.weight), linear.bias, _parts(linear))


def _in_nf4(linear: nn.Linear) -> nn.Module:
    return NF4Linear(linear.weight, linear.bias, _parts(linear))


def _parts(linear: nn.Linear) -> dict[str, int] | None:
    return linear.parts if isinstance(linear, Parts) else None
