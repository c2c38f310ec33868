"""An optimiser's state as tensors with names, for files without pickle."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Parameter]]


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, named: Named
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of each parameter as ``PARAMETER.key``, and what is no tensor, for JSON.

    A quantised tensor is its inner tensors, ``PARAMETER.key.INNER``. Learning rates and the
    like are not in it: they come from the recipe.
    """
    names = {id(p): n for n, p in named}
    tensors: dict[str, Tensor] = {}
    others: dict[str, dict[str, Any]] = {}
    for parameter, state in optimizer.state.items():
        name = names[id(parameter)]
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors |= _flat(f"{name}.{key}", value)
            else:
                others.setdefault(name, {})[key] = value
    facts: dict[str, Any] = {"scalars": dict(getattr(optimizer, "scalars", {}))}
    return tensors, facts | {"state": others}


def load_optimizer(
    optimizer: torch.optim.Optimizer,
    named: Named,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    cut: Callable[[Tensor, Tensor], Tensor] = lambda whole, like: whole,
) -> None:
    """The inverse of ``optimizer_tensors``, into an optimiser built by the same recipe.

    Args:
        optimizer: Its state is replaced.
        named: The model's parameters by name.
        tensors: Whole ones.
        facts: What was no tensor.
        cut: Of a tensor, the part that this process holds; see ``World.cut``.
    """
    parameters = dict(named)
    by_state: dict[tuple[str, str], dict[str, Tensor]] = {}
    for path, value in tensors.items():
        name = _owner(path, parameters)
        key, _, inner = path.removeprefix(f"{name}.").partition(".")
        by_state.setdefault((name, key), {})[inner] = value
    optimizer.state.clear()
    for (name, key), parts in by_state.items():
        parameter = parameters[name]
        optimizer.state[parameter][key] = (
            _moved(parts[""], parameter, cut)
            if "" in parts
            else _whole(_template(optimizer, parameter, key), parts)
        )
    for name, values in facts["state"].items():
        optimizer.state[parameters[name]].update(values)
    if facts["scalars"]:
        optimizer.scalars = dict(facts["scalars"])  # type: ignore[attr-defined]


def _flat(path: str, tensor: Tensor) -> dict[str, Tensor]:
    """A tensor by its path; a subclass of tensors as what it is made of."""
    return {p.rstrip("."): t for p, t in _leaves(f"{path}.", tensor)}


def _leaves(path: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None or hasattr(tensor, "full_tensor"):  # one that processes share is gathered
        yield path, tensor
        return
    for inner in flatten()[0]:
        yield from _leaves(f"{path}{inner}.", getattr(tensor, inner))


def _owner(path: str, parameters: Mapping[str, nn.Parameter]) -> str:
    """The parameter a path belongs to: the longest that begins it."""
    name = path.rpartition(".")[0]
    while name not in parameters:
        name = name.rpartition(".")[0]
    return name


def _moved(
    value: Tensor, parameter: nn.Parameter, cut: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """On the parameter's device, steps aside, which optimisers keep on the processor."""
    return (cut(value.to(parameter.device), parameter) if value.ndim else value).clone()


def _template(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, key: str) -> Tensor:
    """An empty state of the kind that torchao's optimiser gives this parameter."""
    made: Tensor = optimizer._new_buffer(  # type: ignore[attr-defined]
        parameter, signed=key == "exp_avg"
    )
    return made


def _whole(empty: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
    """The inverse of ``_flat``, into a subclass of the same make."""
    _, how = empty.__tensor_flatten__()  # type: ignore[attr-defined]
    moved = {inner: part.to(empty.device).clone() for inner, part in parts.items()}
    made: Tensor = type(empty).__tensor_unflatten__(  # type: ignore[attr-defined]
        moved, how, empty.shape, empty.stride()
    )
    return made
