"""``model.int4.safetensors``: what a model in 4 or 8 bits holds, under its own names.

Hugging Face's names would not do: what codes are worth cannot be found again from the numbers
they stand for. Mason alone reads it.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mason.errors import CheckpointError
from mason.layers import Int4Linear, Int8DynamicLinear, Int8Embedding, Int8Linear
from mason.layers.linear import Parts
from mason.models.files.folders import INT4_FILE, INT8_FILE
from mason.models.files.shards import write_file
from mason.models.files.weights import open_weights
from mason.models.transformer import Transformer


def held_in_few_bits(model: nn.Module) -> bool:
    """Whether a model's weights were rounded, and not the rows beside them."""
    return any(
        isinstance(m, Int4Linear | Int8Linear) and not isinstance(m, Int8DynamicLinear)
        for m in model.modules()
    )


def write_held(model: nn.Module, folder: Path) -> None:
    """Write into an existing folder what a model in few bits holds; what is shared, once."""
    once: dict[int, str] = {}
    stored = model.state_dict()
    for name, tensor in stored.items():
        once.setdefault(tensor.data_ptr(), name)
    in_int4 = any(isinstance(module, Int4Linear) for module in model.modules())
    write_file(
        folder / (INT4_FILE if in_int4 else INT8_FILE),
        {name: stored[name] for name in once.values()},
    )


def read_held(model: Transformer, file: Path) -> Transformer:
    """Let a fresh model, perhaps one without values, hold what a file says.

    Raises:
        CheckpointError: A tensor is missing, surplus, or does not fit.
    """
    filling = _Filling(model, file)
    for name, module in list(model.named_modules()):
        held = filling.held(name, module)
        if held is not None:
            model.set_submodule(name, held)
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            filling.refuse(name)
        with torch.no_grad():
            parameter.copy_(filling.take(name, parameter.shape, parameter.dtype))
    if filling.left:
        filling.refuse(min(filling.left))
    return model.eval().requires_grad_(False)


class _Filling:
    def __init__(self, model: Transformer, file: Path) -> None:
        self.file, self.found = file, open_weights(file)
        self.left = set(self.found)
        self._first: dict[int, str] = {}
        """The name under which the file has a weight that is shared."""
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self._first.setdefault(id(parameter), name)
        self._taken: dict[str, Tensor] = {}

    def held(self, name: str, module: nn.Module) -> nn.Module | None:
        """What stands for a module in the file; None: itself."""
        if not isinstance(module, nn.Linear | nn.Embedding):
            return None
        made: Any = None
        first = self._first[id(module.weight)].removesuffix("weight")
        with torch.device("meta"):
            if isinstance(module, nn.Linear) and f"{name}.packed" in self.found:
                made = Int4Linear.of_shape(module)
            elif f"{first}scales" in self.found:
                whole = torch.empty(module.weight.shape, dtype=torch.int8)
                parts = module.parts if isinstance(module, Parts) else None
                held = whole, torch.empty(len(whole))
                bias = getattr(module, "bias", None)
                embeds = isinstance(module, nn.Embedding)
                made = Int8Embedding(*held) if embeds else Int8Linear(*held, bias, parts)
            else:
                return None
        for part, like in list(made.named_buffers()):
            own = f"{name}.{part}" if part in ("packed", "grid", "bias") else first + part
            made.register_buffer(part, self.take(own, like.shape, like.dtype))
        return made  # type: ignore[no-any-return]

    def take(self, name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """A tensor of the file; the same one each time."""
        if name in self._taken:
            return self._taken[name]
        fits = name in self.found and self.found.shape(name) == tuple(shape)
        if not fits or self.found.dtype(name) is not dtype:
            self.refuse(name)
        self.left.discard(name)
        self._taken[name] = self.found.tensor(name)
        return self._taken[name]

    def refuse(self, name: str) -> None:
        raise CheckpointError(
            "{file}: {name} does not fit the model of config.json; fetch the model again.",
            file=self.file,
            name=name,
        )
