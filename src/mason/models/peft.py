"""Adapters in PEFT's folder format: ``adapter_config.json`` and ``adapter_model.safetensors``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mason.errors import CheckpointError, SettingsError
from mason.language import say
from mason.layers import AdapterSpec
from mason.layers.adapters import Adapter, Bottleneck, Dora, Ia3, Lora
from mason.models.adapters import Place, adapted_maps, adapter_names, attach, detach, places_of
from mason.models.families import Family
from mason.models.files import open_weights, read_json
from mason.models.fronts import (
    KINDS,
    MOST_ROWS,
    SAID,
    TENSOR,
    attach_front,
    fill_front,
)
from mason.models.saving import widths_of
from mason.models.transformer import Transformer

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
TYPES = {"LORA": "lora", "IA3": "ia3", "BOTTLENECK": "bottleneck"} | {
    theirs: ours for ours, theirs in KINDS.items()
}
"""PEFT's name of each kind; it has none for bottlenecks, and refuses them."""
_SAID = frozenset(
    """task_type peft_type auto_mapping peft_version base_model_name_or_path revision
    inference_mode r target_modules exclude_modules lora_alpha lora_dropout fan_in_fan_out
    use_rslora modules_to_save init_lora_weights init_ia3_weights layers_to_transform
    layers_pattern megatron_core use_dora qalora_group_size feedforward_modules
    eva_config ensure_weight_tying""".split()
).union(SAID)
"""Keys that are read, or only say how the adapter began; what else is set is refused."""
_MOST_RANK = 65_536
_CHANGES_BASE = ("pissa", "olora", "corda", "lora_ga")
"""Ways to begin that change the base model's weights too."""


@dataclass(frozen=True)
class AdapterFolder:
    """What an adapter's folder says.

    Attributes:
        base: The model it belongs to, by path or name; None: it does not say.
        revision: Of that model on its hub.
        spec: What the adapter is made of.
        tensors: Its tensors, by PEFT's names without the prefix that all have.
    """

    base: str | None
    revision: str | None
    spec: AdapterSpec
    tensors: Mapping[str, Tensor]
    path: Path

    @property
    def num_labels(self) -> int | None:
        """Outputs of the head that lies beside the adapter, if there is one."""
        heads = ("classifier.weight", "score.weight", "classifier.out_proj.weight")
        found = (t.shape[0] for name, t in self.tensors.items() if name.endswith(heads))
        return next(found, None)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def read_adapter(folder: Path) -> AdapterFolder:
    """Read an adapter's folder, PEFT's or Mason's.

    Raises:
        CheckpointError: A file is missing or unsafe, or it says what Mason cannot compute.
    """
    file = folder / CONFIG
    config = read_json(file)
    _check_known(config, file)
    spec = _spec_of(config, file)
    weights = open_weights(folder / WEIGHTS)
    tensors = {name.removeprefix(PREFIX): weights.tensor(name) for name in weights}
    inner = ("lora_A.weight", "adapter_down.weight")
    for name, tensor in tensors.items():
        # Before anything is made of that size.
        if name.endswith(inner) and len(tensor) != spec.rank:
            raise CheckpointError(
                "{file}: r is {rank}, and {name} has {rows} rows; the file is damaged.",
                file=file,
                rank=spec.rank,
                name=name,
                rows=len(tensor),
            )
    base, revision = (config.get(key) for key in ("base_model_name_or_path", "revision"))
    named = base if isinstance(base, str) else None
    return AdapterFolder(
        named, revision if isinstance(revision, str) else None, spec, tensors, folder
    )


def _spec_of(config: Mapping[str, Any], file: Path) -> AdapterSpec:
    kind = TYPES[config["peft_type"]]
    if kind == "ia3":
        return AdapterSpec(kind)
    if kind in KINDS:
        _number(config, "num_transformer_submodules", 1, file, least=1, most=1, whole=True)
        rows = _number(config, "num_virtual_tokens", 20, file, least=1, most=MOST_ROWS, whole=True)
        return AdapterSpec(kind, virtual_tokens=int(rows))
    rank = int(_number(config, "r", 8, file, least=1, most=_MOST_RANK, whole=True))
    if kind == "bottleneck":
        return AdapterSpec(kind, rank=rank)
    return AdapterSpec(
        "dora" if config.get("use_dora") else "lora",
        rank,
        _number(config, "lora_alpha", 8, file, least=1e-6, most=1e6),
        _number(config, "lora_dropout", 0, file, least=0, most=0.999),
        bool(config.get("use_rslora")),
    )


def _number(
    config: Mapping[str, Any],
    key: str,
    usual: float,
    file: Path,
    *,
    least: float,
    most: float,
    whole: bool = False,
) -> float:
    found = config.get(key)
    value = usual if found is None else found
    if type(value) not in ((int,) if whole else (int, float)) or not least <= value <= most:
        raise CheckpointError(
            "{file}: {key} = {value!r} is no number from {least:g} to {most:g}; the file is "
            "damaged.",
            file=file,
            key=key,
            value=value,
            least=least,
            most=most,
        )
    return float(value)


def _check_known(config: Mapping[str, Any], file: Path) -> None:
    kind, begun = config.get("peft_type"), str(config.get("init_lora_weights"))
    if not isinstance(kind, str) or kind not in TYPES:
        raise CheckpointError(
            "{file}: the adapter is of the kind {kind}; Mason reads {known}.",
            file=file,
            kind=kind,
            known=", ".join(TYPES),
        )
    wrong = [key for key, value in config.items() if key not in _SAID and value not in _NOTHING]
    wrong += ["init_lora_weights"] if begun.startswith(_CHANGES_BASE) else []
    for key in wrong:
        raise CheckpointError(
            "{file}: {key} = {value!r} changes what is computed in a way Mason does not know; "
            "merge the adapter with PEFT and load the model that gives.",
            file=file,
            key=key,
            value=config[key],
        )


_NOTHING: tuple[Any, ...] = (None, False, {}, [], "none", "")


def load_adapter(
    network: Transformer, family: Family, given: AdapterFolder, name: str = "default"
) -> tuple[str, ...]:
    """Give a network the adapter of a folder, in force at once.

    Returns:
        Names of the network's own parameters that came with it, such as a new head's.

    Raises:
        CheckpointError: It does not fit the network; nothing of it is lost without a word.
    """
    prefix = family.prefix_for(network.spec)
    places = {place.theirs: place for place in places_of(network, family)}
    places |= {theirs.removeprefix(prefix): place for theirs, place in places.items()}
    changed: dict[Place, dict[str, Tensor]] = {}
    own = own_tensors(network, family)
    loaded: list[str] = []
    for key, tensor in given.tensors.items():
        if key in own:
            parameter, view = own[key]
            _fill(view, tensor, key, given.path)
            loaded.append(parameter)
            continue
        if key == TENSOR and given.spec.kind in KINDS:
            continue
        theirs, leaf = _cut(key)
        if theirs not in places:
            raise CheckpointError(
                "{file}: {name} has no place in this model; the adapter is of another one.",
                file=given.path / WEIGHTS,
                name=key,
            )
        changed.setdefault(places[theirs], {})[leaf] = tensor
    try:
        if given.spec.kind in KINDS:
            front = attach_front(network, given.spec, name)
            fill_front(front, given.tensors, given.path / WEIGHTS)
            return tuple(loaded)
        attach(network, given.spec, [p for p in places_of(network, family) if p in changed], name)
        _fill_adapter(network, family, given, changed, name)
    except CheckpointError:
        detach(network, name)
        raise
    return tuple(loaded)


def add_adapter(network: Transformer, family: Family, folder: Path, name: str) -> None:
    """Give a network the adapter in a folder under a name of its own, beside those it has.

    Raises:
        MasonError: The folder cannot be read or is for another model, the name is taken or no
            name, or another head lies beside the adapter.
    """
    if not name.replace("-", "_").isidentifier() or name in adapter_names(network):
        raise SettingsError(
            "{name!r} cannot name an adapter: take letters, digits, - and _, and a name that is "
            "not taken ({known}).",
            name=name,
            known=", ".join(adapter_names(network)) or say("none"),
        )
    given, own = read_adapter(folder), own_tensors(network, family)
    for key, tensor in given.tensors.items():
        if key in own and not torch.equal(tensor.to(own[key][1]), own[key][1]):
            raise SettingsError(
                "{folder} brings a {tensor} of its own and cannot share a model with others; load "
                "it alone.",
                folder=folder,
                tensor=key,
            )
    load_adapter(network, family, given, name)


def _fill_adapter(
    network: Transformer,
    family: Family,
    given: AdapterFolder,
    changed: Mapping[Place, Mapping[str, Tensor]],
    name: str,
) -> None:
    for place, adapter in adapters_of(network, family, name):
        views, tensors = views_of(adapter, place), changed[place]
        if views.keys() != tensors.keys():
            leaf = min(views.keys() ^ tensors.keys())
            raise CheckpointError(
                "{file}: {name} is only in the file or only in the adapter; the file is damaged.",
                file=given.path / WEIGHTS,
                name=f"{place.theirs}.{leaf}",
            )
        for leaf, view in views.items():
            _fill(view, tensors[leaf], f"{place.theirs}.{leaf}", given.path)


def _cut(key: str) -> tuple[str, str]:
    """A map's name, and what of its adapter a tensor is."""
    leaves = ("lora_A", "lora_B", "lora_magnitude_vector", "ia3_l", "adapter_down", "adapter_up")
    for leaf in leaves:
        theirs, found, rest = key.partition(f".{leaf}")
        if found:
            return theirs, leaf + rest
    return key, ""


def _fill(view: Tensor, tensor: Tensor, name: str, folder: Path) -> None:
    if view.shape != tensor.shape:
        raise CheckpointError(
            "{file}: {name} has the shape {found}, the model's is {wanted}; the adapter is of "
            "another model.",
            file=folder / WEIGHTS,
            name=name,
            found=list(tensor.shape),
            wanted=list(view.shape),
        )
    with torch.no_grad():
        view.copy_(tensor)


def adapters_of(network: Transformer, family: Family, name: str) -> list[tuple[Place, Adapter]]:
    """Every place that an adapter of this name changes, and what changes it there."""
    maps, found = dict(adapted_maps(network)), []
    for place in places_of(network, family):
        adapter: Any = maps[place.module].adapters[name] if place.module in maps else None
        if adapter is not None and place.rows in adapter.rows:
            found.append((place, adapter))
    return found


def own_tensors(network: Transformer, family: Family) -> dict[str, tuple[str, Tensor]]:
    """The network's own parameters by the family's names: ours, and a view to write into."""
    prefix = family.prefix_for(network.spec)
    found: dict[str, tuple[str, Tensor]] = {}
    for name, parameter in network.named_parameters():
        widths = widths_of(network, name)
        plain = name.replace(".base.", ".")
        shared = network.spec.share_embeddings
        verb = family.verb(plain, prefix, len(widths), shared=shared)
        if verb is not None:
            parts = verb.cut(parameter.data, widths)
            found |= {n: (name, part) for n, part in zip(verb.names, parts, strict=True)}
    return found


def views_of(adapter: Adapter, place: Place) -> dict[str, Tensor]:
    """What an adapter learned of a place, by PEFT's names; writing into it changes the adapter.

    Raises:
        CheckpointError: PEFT's format has no place for it.
    """
    number = adapter.rows.index(place.rows)
    if isinstance(adapter, Lora):
        _, up, down = adapter.change.pairs()[number]
        found = {"lora_A.weight": adapter.down.data[down], "lora_B.weight": adapter.up.data[up]}
        if isinstance(adapter, Dora):
            found["lora_magnitude_vector"] = adapter.magnitude.data[up]
        return found
    if isinstance(adapter, Ia3):
        if adapter.of_input:
            return {"ia3_l": adapter.factors.data[None]}
        start = sum(part.stop - part.start for part in adapter.rows[:number])
        width = place.stop - place.start
        return {"ia3_l": adapter.factors.data[start : start + width, None]}
    if isinstance(adapter, Bottleneck):
        return {
            "adapter_down.weight": adapter.down.data,
            "adapter_down.bias": adapter.down_bias.data,
            "adapter_up.weight": adapter.up.data,
        }
    raise CheckpointError(
        "Adapters of the kind {kind} have no place in PEFT's format; merge it, or keep its "
        "tensors with safetensors.",
        kind=adapter.spec.kind,
    )
