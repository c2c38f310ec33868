"""Adapters and frozen parts of a run: what the settings ask for, on the model that learns."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from mason.errors import SettingsError
from mason.language import say
from mason.layers import AdapterSpec
from mason.models.adapters import (
    HELD_AS,
    Bits,
    adapter_names,
    attach,
    chosen_places,
    freeze,
    hold_base,
    places_of,
    usual_places,
)
from mason.models.fronts import KINDS, attach_front
from mason.models.holding import Held
from mason.models.transformer import Transformer, renew_top
from mason.runtime import pick_precision
from mason.settings import ADAPTER_ONLY, AdapterSettings, Settings, refuse_unused
from mason.training.recipe import Recipe
from mason.workflows.model import Base, Model

_FASTER = {"prompt": 100.0, "prefix": 100.0}
"""Few values take long steps (Lester et al. 2021 learn prompts at 0.3)."""
_FAST = 10.0
"""A change of low rank learns best at about ten times the rate of all weights (Schulman et al.
2025, *LoRA Without Regret*)."""


def adapt(model: Model, settings: Settings, device: torch.device) -> str | None:
    """Give a model the adapter that is asked for, or freeze parts of it.

    Args:
        model: Its network is changed in place; on the meta device it may have no values.
        settings: Of the run.
        device: Where it will learn.

    Returns:
        What learns, in words; None: everything does.

    Raises:
        SettingsError: The settings do not fit the model or each other.
    """
    chosen, training, network = settings.adapter, settings.training, model.network
    if training.reinit_layers is not None:
        model.fresh = (*model.fresh, *renew_top(network, training.reinit_layers))
    named = adapter_names(network)
    if chosen.kind is None:
        refuse_unused(settings, ADAPTER_ONLY, say("a run without --adapter"))
    if chosen.kind is None and not named:
        return _freeze_parts(model, settings)
    if training.freeze is not None or training.freeze_layers is not None:
        raise SettingsError(
            "An adapter freezes all weights already; leave training.freeze and "
            "training.freeze-layers out."
        )
    if chosen.kind is not None:
        if named:
            raise SettingsError(
                "{source} has an adapter already; leave --adapter out to go on with it, or merge "
                "it first with mason merge.",
                source=model.source,
            )
        _begin(model, chosen, _bits(settings, device), settings.model.revision)
    freeze(network, model.fresh)
    return _told(network)


def _begin(model: Model, chosen: AdapterSettings, bits: Bits, revision: str | None) -> None:
    network, kind = model.network, chosen.kind or "lora"
    spec = AdapterSpec(
        kind,
        chosen.rank or 8,
        chosen.alpha,
        chosen.lora_dropout or 0.0,
        bool(chosen.rank_stabilised),
        chosen.virtual_tokens or AdapterSpec.virtual_tokens,
    )
    model.base = Base(model.source, revision, bits)
    if kind in KINDS:
        _check_front(chosen)
        hold_base(network, bits)
        attach_front(network, spec)
        return
    asked, places = chosen.targets, places_of(network, model.family)
    if asked is None:
        places = usual_places(places, kind)
    else:
        places = chosen_places(places, [asked] if isinstance(asked, str) else asked)
    hold_base(network, bits)
    attach(network, spec, places)


def _check_front(chosen: AdapterSettings) -> None:
    """Refuse what says how a linear map changes, where none does."""
    for name in ("rank", "alpha", "lora_dropout", "targets", "rank_stabilised", "rate_ratio"):
        if getattr(chosen, name) is not None:
            raise SettingsError(
                "adapter.{name} is for adapters of linear maps, and {kind} puts rows before texts; "
                "leave it out, or say how many rows with adapter.virtual-tokens.",
                name=name.replace("_", "-"),
                kind=chosen.kind,
            )


def _bits(settings: Settings, device: torch.device) -> Bits:
    if settings.adapter.base_bits is not None:
        return settings.adapter.base_bits
    half = pick_precision(settings.training.precision, device) is torch.bfloat16
    return 16 if half else 32


def recomputes(settings: Settings, bits: Bits | None, notice: Callable[[str], None]) -> bool:
    """Whether activations are computed again, before it is known what fits.

    Who holds the base in 4 bits wants memory, and activations are most of it: QLoRA does so too
    (Dettmers et al. 2023).

    Args:
        settings: Of the run.
        bits: Of the model's frozen weights.
        notice: Told where it was not asked for.
    """
    asked = settings.training.recompute
    if asked is None and bits == 4:
        notice(
            say(
                "Beside 4 bits activations are computed again in the backward pass: a third more "
                "work, much less memory. --training.recompute false keeps them."
            )
        )
        return True
    return bool(asked)


def held_base(settings: Settings) -> Held | None:
    """In what the model of a run is held from the moment it is read: as its adapter asks for."""
    bits = settings.adapter.base_bits if settings.adapter.kind else None
    if settings.training.reinit_layers is not None:
        return None  # layers that begin anew begin whole
    return None if bits is None else HELD_AS.get(bits)


def _freeze_parts(model: Model, settings: Settings) -> str | None:
    """As ``training.freeze`` says; what starts from random weights always learns."""
    frozen, layers, network = (
        settings.training.freeze,
        settings.training.freeze_layers,
        model.network,
    )
    if frozen is None and layers is None:
        return None
    for name, parameter in network.named_parameters():
        learns = (
            name.startswith("heads.")
            or name in model.fresh
            or not _is_frozen(name, frozen, layers or 0)
        )
        parameter.requires_grad_(learns)
    return _told(network)


def _is_frozen(name: str, frozen: str | None, num_layers: int) -> bool:
    _, inside, rest = name.partition(".layers.")
    embedding = ".embedding." in name
    if inside and int(rest.partition(".")[0]) < num_layers:
        return True
    if embedding and (num_layers or frozen == "embeddings"):
        return True
    return frozen == "body" or (frozen == "weights" and not name.endswith("bias"))


def _told(network: Transformer) -> str:
    learned = [p for p in network.parameters() if p.requires_grad]
    if not learned:
        raise SettingsError(
            "Nothing would learn: the model has no part that training.freeze leaves; choose "
            "another, or leave it out."
        )
    return say("{num:,} values learn; the others are frozen.", num=sum(p.numel() for p in learned))


def adapted_recipe(recipe: Recipe, settings: Settings, network: nn.Module) -> Recipe:
    """The recipe of a run with an adapter: what is not said, as suits few values."""
    if not adapter_names(network):
        return recipe
    given: dict[str, Any] = {}
    if settings.training.learning_rate is None:
        faster = _FASTER.get(settings.adapter.kind or "", _FAST)
        given["learning_rate"] = recipe.learning_rate * faster
    if settings.adapter.rate_ratio is not None:
        given["up_rate_ratio"] = settings.adapter.rate_ratio
    return replace(recipe, **given)
