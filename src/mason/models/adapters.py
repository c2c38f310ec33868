"""Adapters on a model: where they may go by name, which is in force, what learns, what is held."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.language import say
from mason.layers import (
    Adapted,
    AdapterSpec,
    FusedLinear,
    Int4Linear,
    Int8Linear,
    Linear,
    NF4Linear,
)
from mason.layers.adapters import Fronts
from mason.layers.linear import Parts
from mason.models.families import Family
from mason.models.holding import Held, holder
from mason.models.transformer import Transformer

Bits = Literal[4, 8, 16, 32]
"""How many a frozen weight is held in."""
HELD_AS: dict[Bits, Held] = {4: "nf4", 8: "int8"}
"""What so few bits mean."""
ROUNDED = (Int8Linear, NF4Linear, Int4Linear)
LINEAR = (nn.Linear, *ROUNDED)
_USUAL = {"ia3": ("key", "value", "feed_forward.output"), "bottleneck": ("output",)}
"""Where a kind goes if nobody says; the others go everywhere."""


@dataclass(frozen=True)
class Place:
    """Output rows of a linear map that can have a change of their own.

    Attributes:
        module: The map's name in the ``Transformer``.
        part: Name of the slice; None: the map as a whole.
        theirs: The map's name in the family's format.
        start: The first output row.
        stop: The row after the last.
    """

    module: str
    part: str | None
    theirs: str
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """The output rows."""
        return slice(self.start, self.stop)

    def matches(self, target: str) -> bool:
        """Whether a person means it: by our names, such as query, or by the family's."""
        ours = [w for w in self.module.split(".") if w != "block"]
        ours += [] if self.part is None else [self.part]
        wanted = target.split(".")
        runs = (ours[i : i + len(wanted)] for i in range(len(ours)))
        return wanted in runs or self.theirs == target or self.theirs.endswith(f".{target}")


def places_of(network: Transformer, family: Family) -> list[Place]:
    """Every linear map of the layers, slice by slice where the family names slices."""
    prefix, found = family.prefix_for(network.spec), []
    for name, module in network.named_modules():
        if ".layers." not in name or not isinstance(module, (*LINEAR, Adapted)):
            continue
        if name.endswith(".base") and isinstance(_parent(network, name), Adapted):
            continue
        parts = module.parts if isinstance(module, Parts) else {}
        verb = family.verb(
            f"{name}.weight", prefix, len(parts) or 1, shared=network.spec.share_embeddings
        )
        if verb is None:  # a block of the user's own
            continue
        theirs = [given.removesuffix(".weight") for given in verb.names]
        if isinstance(module, Parts) and len(theirs) == len(parts) > 1:
            slices = zip(module.slices.items(), theirs, strict=True)
            found += [Place(name, part, t, r.start, r.stop) for (part, r), t in slices]
        else:
            whole: Any = module
            found.append(Place(name, None, theirs[0], 0, whole.out_features))
    return found


def chosen_places(places: Sequence[Place], targets: Sequence[str]) -> list[Place]:
    """The places that are meant.

    Raises:
        SettingsError: A target means none.
    """
    for target in targets:
        if not any(place.matches(target) for place in places):
            known = {place.part or place.module.rpartition(".")[2] for place in places}
            known |= {place.theirs.rpartition(".")[2] for place in places}
            raise SettingsError(
                "adapter.targets: no linear map is called {target}; choose from attention, "
                "feed_forward, {known}.",
                target=target,
                known=", ".join(sorted(known)),
            )
    return [place for place in places if any(place.matches(target) for target in targets)]


def usual_places(places: Sequence[Place], kind: str) -> list[Place]:
    """Where an adapter of this kind goes if nobody says, as in its paper."""
    targets = _USUAL.get(kind)
    if targets is None:
        return [*places]
    fused = kind == "ia3"  # where a family has no names for key and value alone
    return [
        place
        for place in places
        if any(place.matches(target) for target in targets)
        or (fused and place.part is None and place.module.endswith("query_key_value"))
    ]


def attach(
    network: Transformer, spec: AdapterSpec, places: Iterable[Place], name: str = "default"
) -> None:
    """Give a network an adapter of this name, which is in force from now on."""
    rows: dict[str, list[slice]] = {}
    for place in places:
        rows.setdefault(place.module, []).append(place.rows)
    for path, slices in rows.items():
        module = network.get_submodule(path)
        if not isinstance(module, Adapted):
            module = Adapted(module).train(module.training)
            setattr(_parent(network, path), path.rpartition(".")[2], module)
        module.add(name, spec, slices)
    activate(network, name)


def adapted_maps(network: nn.Module) -> Iterator[tuple[str, Adapted]]:
    """Every map that has adapters, with its name."""
    for name, module in network.named_modules():
        if isinstance(module, Adapted):
            yield name, module


def _holders(network: nn.Module) -> Iterator[Adapted | Fronts]:
    """Everything that has adapters by name."""
    return (module for module in network.modules() if isinstance(module, Adapted | Fronts))


def adapter_names(network: nn.Module) -> tuple[str, ...]:
    """The adapters a network has, in the order they were given to it."""
    found: dict[str, None] = {}
    for module in _holders(network):
        found |= dict.fromkeys(module.adapters)
    return tuple(found)


def active_adapter(network: nn.Module) -> str | None:
    """The adapter in force."""
    return next((module.active for module in _holders(network)), None)


def activate(network: nn.Module, name: str | None) -> None:
    """Put an adapter in force, or None."""
    for module in _holders(network):
        module.active = name


def check_adapter(network: nn.Module, name: str | None) -> None:
    """See that a network has an adapter of this name, or that none is asked for.

    Raises:
        SettingsError: It has not.
    """
    known = adapter_names(network)
    if name is not None and name not in known:
        raise SettingsError(
            "The model has no adapter {name!r}; it has {known}.",
            name=name,
            known=", ".join(known) or say("none"),
        )


def detach(network: nn.Module, name: str) -> None:
    """Take an adapter away."""
    for found in _holders(network):
        if isinstance(found, Fronts) and name in found.adapters:
            del found.adapters[name]
    for path, module in list(adapted_maps(network)):
        if name in module.adapters:
            del module.adapters[name]
        if not module.adapters:
            setattr(_parent(network, path), path.rpartition(".")[2], module.base)


def freeze(network: nn.Module, learning: Iterable[str]) -> None:
    """Let the adapter in force learn, and the parameters that are named; nothing else."""
    named, name = set(learning), active_adapter(network)
    for path, parameter in network.named_parameters():
        parameter.requires_grad_(path in named or f".adapters.{name}." in path)


def hold_base(network: nn.Module, bits: Bits) -> None:
    """Round the linear maps of the layers, before they have adapters, to what they are held in.

    What was read so (``load_model``'s ``held``) stays as it is.

    Of 16 bits the values are rounded and held in fp32 until ``narrowed``, so that a model is
    measured as it was trained.
    """
    for path, module in list(network.named_modules()):
        if ".layers." not in path or not isinstance(module, nn.Linear) or bits == 32:
            continue
        kind = HELD_AS.get(bits)
        if kind is None:
            with torch.no_grad():
                module.weight.copy_(module.weight.to(torch.bfloat16))
            continue
        held = holder(kind)(module)
        setattr(_parent(network, path), path.rpartition(".")[2], held.train(module.training))


@contextmanager
def narrowed(network: nn.Module, bits: Bits | None) -> Iterator[None]:
    """The frozen maps held in bf16 while they are of 16 bits; afterwards in fp32 again."""
    if bits != 16:
        yield
        return
    maps = [m.base for _, m in adapted_maps(network) if isinstance(m.base, Linear)]
    maps += [m for n, m in network.named_modules() if ".layers." in n and isinstance(m, Linear)]
    frozen = [m for m in maps if not m.weight.requires_grad]
    for module in frozen:
        module.weight.data = module.weight.data.to(torch.bfloat16)
    try:
        yield
    finally:
        for module in frozen:
            module.weight.data = module.weight.data.float()


def merge(network: nn.Module, name: str) -> None:
    """Put an adapter into plain weights, in place of every map that has any adapter.

    Raises:
        SettingsError: Its change is not linear.
    """
    for module in _holders(network):
        if name in module.adapters:
            _check_merges(module.adapters[name])
    for path, module in list(adapted_maps(network)):
        base: Any = module.base
        like = torch.empty(0, dtype=torch.float32, device=_device(base))
        weight, bias = base.widened(like).detach(), base.bias
        if name in module.adapters:
            chosen: Any = module.adapters[name]
            with torch.no_grad():
                weight, bias = chosen.merged(weight, bias)
        plain = _plain(weight, bias, module.parts).train(module.training)
        setattr(_parent(network, path), path.rpartition(".")[2], plain)
    for path, left in list(network.named_modules()):
        if isinstance(left, ROUNDED):
            wide = left.widened(torch.empty(0, device=_device(left)))
            setattr(
                _parent(network, path),
                path.rpartition(".")[2],
                _plain(wide, left.bias, left.parts).train(left.training),
            )


def _check_merges(adapter: Any) -> None:
    if not adapter.merges:
        raise SettingsError(
            "An adapter of the kind {kind} is no linear map and cannot be merged; keep it beside "
            "its model.",
            kind=adapter.spec.kind,
        )


def _plain(weight: Tensor, bias: Tensor | None, parts: dict[str, int]) -> nn.Linear:
    has_bias = bias is not None
    with torch.device("meta"):
        made: nn.Linear = (
            FusedLinear(weight.shape[1], parts, bias=has_bias)
            if parts
            else Linear(weight.shape[1], weight.shape[0], bias=has_bias)
        )
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made


def _device(module: nn.Module) -> torch.device:
    return next(t for t in (*module.parameters(), *module.buffers())).device


def _parent(network: nn.Module, path: str) -> nn.Module:
    return network.get_submodule(path.rpartition(".")[0])
