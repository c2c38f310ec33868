"""A model whose weights and rows are in 8 bits, and its encoder as one call where it can be."""

from typing import Any

import torch
from torch import nn

from mason.errors import CheckpointError
from mason.layers import (
    Int4Linear,
    Int8DynamicLinear,
    Int8Embedding,
    Int8Linear,
    hold_in_int8,
    native,
)
from mason.layers.int8 import STEPS
from mason.models.encoder_calls import program_of
from mason.models.transformer import Transformer


def hold_in_eight_bits(model: Transformer, *, bits: int = 8) -> Transformer:
    """Round a model in place: linear maps, what they multiply, and token vectors.

    The heads' last maps stay as they are: they are small, and their outputs are the answer.
    Rounding a second time changes nothing.

    Args:
        model: Of any numbers.
        bits: 8, or 4: weights then take so few steps that a file needs half the bytes; they
            are computed with in 8 all the same.
    """
    kept = {name: getattr(head, "output", None) for name, head in model.heads.items()}
    hold_in_int8(model, rows=True, largest=STEPS[bits])
    for name, output in kept.items():
        if isinstance(output, nn.Linear) and not model.spec.heads[name].tied:
            model.heads[name].output = output
    for stack in (model.encoder, model.decoder):
        if stack is not None:
            stack.program = program_of(stack, native.Packed8)
    return model.eval().requires_grad_(False)


def in_eight_bits(model: nn.Module) -> bool:
    """Whether a model was rounded: it answers, and learns no more."""
    return any(isinstance(module, Int8DynamicLinear) for module in model.modules())


def refuse_rounded(model: nn.Module, source: str) -> None:
    """Refuse to let a rounded model learn.

    Raises:
        CheckpointError: It is one.
    """
    kinds = {type(module) for module in model.modules()}
    if Int4Linear not in kinds and kinds & {Int8DynamicLinear, Int8Embedding}:
        raise CheckpointError(
            "{source} is in 8 bits and learns no more; take the model it was made from.",
            source=source,
        )
    if Int4Linear in kinds:
        raise CheckpointError(
            "{source} is in 4 bits and learns no more; take the model it was made from.",
            source=source,
        )


def widened(model: Transformer) -> Transformer:
    """A rounded model with its weights as ordinary numbers."""
    made = Transformer(model.spec)
    kept = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name in kept:
                parameter.copy_(kept[name])
                continue
            room, _, part = name.rpartition(".")
            held: Any = model.get_submodule(room)
            whole = part == "weight" and isinstance(held, Int8Linear | Int8Embedding)
            parameter.copy_(held.weight.float() * held.scales[:, None] if whole else held.bias)
    return made.eval()
