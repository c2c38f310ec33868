"""A model's blocks with their sizes, without loading a task."""

from dataclasses import dataclass

import torch
from torch import nn

from mason.models.checkpoints import load_model, spec_of
from mason.models.shapes import SHAPES
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, num_parameters
from mason.sources import find_model


@dataclass(frozen=True)
class Part:
    """A module, its class, its own shape in words, and its parameters."""

    name: str
    kind: str
    shape: str
    num_parameters: int
    depth: int


def show(source: str) -> tuple[ModelSpec, list[Part]]:
    """The spec of a model and its tree of blocks; equal layers are folded into one line.

    Args:
        source: As for ``mason.load``, or the name of a published shape.

    Raises:
        MasonError: The model cannot be found or read.
    """
    if source in SHAPES:
        with torch.device("meta"):
            model = Transformer(spec_of(dict(SHAPES[source]), ()))
    else:
        model = load_model(find_model(source)).model
    return model.spec, list(_walk(model, "", 0))


def _walk(module: nn.Module, name: str, depth: int) -> list[Part]:
    own = Part(name, type(module).__name__, _shape(module), num_parameters(module), depth)
    parts = [own] if name else []
    children = list(module.named_children())
    if isinstance(module, nn.ModuleList) and len(children) > 1:
        label = f"0 … {len(children) - 1}"
        return parts + _walk(children[0][1], label, depth + 1)
    for child_name, child in children:
        if num_parameters(child):
            parts += _walk(child, child_name, depth + bool(name))
    return parts


def _shape(module: nn.Module) -> str:
    parts = getattr(module, "parts", None)
    if isinstance(module, nn.Linear):
        outputs = " + ".join(f"{k} {v}" for k, v in parts.items()) if parts else module.out_features
        return f"{module.in_features} → {outputs}"
    if isinstance(module, nn.Embedding):
        return f"{module.num_embeddings} × {module.embedding_dim}"
    return ""
