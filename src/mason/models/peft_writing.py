"""Writing an adapter's folder, as PEFT does."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError
from mason.layers.adapters import Adapter, Bottleneck, Dora, Ia3, Lora
from mason.models.adapters import Place, places_of
from mason.models.families import Family
from mason.models.families.weights import Transpose
from mason.models.files import write_file, write_json
from mason.models.fronts import TENSOR, front_of, said_of
from mason.models.peft import CONFIG, PREFIX, WEIGHTS, adapters_of, own_tensors, views_of
from mason.models.transformer import Transformer

_TASKS = {
    "classification": "SEQ_CLS",
    "tagging": "TOKEN_CLS",
    "answering": "QUESTION_ANS",
    "language": "CAUSAL_LM",
}


_WITH_HEAD = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
_HEADS = ("classifier", "score", "qa_outputs")
"""Modules that PEFT looks for in the file of an adapter for these tasks, whoever trained them."""


def write_adapter(
    network: Transformer,
    family: Family,
    folder: Path,
    *,
    name: str,
    base: str,
    revision: str | None,
    beside: Iterable[str],
) -> None:
    """Write an adapter into an existing folder.

    Args:
        network: What has it.
        family: Whose names its tensors get.
        folder: Where.
        name: The adapter's.
        base: What the model is loaded by that it belongs to.
        revision: Of that model.
        beside: The network's own parameters that learned too, such as a new head's.

    Raises:
        CheckpointError: PEFT's format has no place for it.
    """
    found, front = adapters_of(network, family, name), front_of(network, name)
    if not found and front is None:
        raise CheckpointError("The model has no adapter {name}.", name=name)
    tensors = {
        f"{PREFIX}{place.theirs}.{leaf}": view
        for place, adapter in found
        for leaf, view in views_of(adapter, place).items()
    }
    if front is not None:
        tensors[TENSOR] = front.values.data
    saved, learned, task = dict[str, None](), set(beside), _task(network)
    for theirs, (ours, view) in own_tensors(network, family).items():
        if ours in learned or (task in _WITH_HEAD and ours.startswith("heads.")):
            tensors[PREFIX + theirs] = view
            first, module = theirs.partition(".")[0], theirs.rpartition(".")[0]
            saved[first if first in _HEADS else module] = None
    config = {
        "base_model_name_or_path": base,
        "revision": revision,
        "inference_mode": True,
        "task_type": task,
        "modules_to_save": [*saved] or None,
        **(_made_of(network, family, found) if front is None else said_of(network, front)),
    }
    write_json(folder / CONFIG, config)
    write_file(folder / WEIGHTS, tensors)


def _made_of(
    network: Transformer, family: Family, found: Sequence[tuple[Place, Adapter]]
) -> dict[str, Any]:
    """Which maps are changed, and how."""
    return {**_targets(network, family, found), **_spec(found[0][1])}


def _task(network: Transformer) -> str:
    """PEFT's word for what the model does, by which it finds the head."""
    found = next((_TASKS[head] for head in network.spec.heads if head in _TASKS), None)
    if found == "CAUSAL_LM" and network.encoder is not None:
        found = "SEQ_2_SEQ_LM" if network.decoder is not None else None
    return found or "FEATURE_EXTRACTION"


def _spec(adapter: Adapter) -> dict[str, Any]:
    spec = adapter.spec
    if isinstance(adapter, Ia3):
        return {"peft_type": "IA3"}
    if isinstance(adapter, Bottleneck):
        return {"peft_type": "BOTTLENECK", "r": spec.rank}
    assert isinstance(adapter, Lora), "views_of knows no other kind"
    return {
        "peft_type": "LORA",
        "r": spec.rank,
        "lora_alpha": spec.factor * (spec.rank**0.5 if spec.rank_stabilised else spec.rank),
        "lora_dropout": spec.dropout,
        "use_rslora": spec.rank_stabilised,
        "use_dora": isinstance(adapter, Dora),
        "bias": "none",
    }


def _targets(
    network: Transformer, family: Family, found: Sequence[tuple[Place, Adapter]]
) -> dict[str, Any]:
    known, (first, _) = _names(network, family), found[0]
    inner = [p.theirs for p, a in found if isinstance(a, Ia3) and a.of_input]
    others = [p.theirs for p, _ in found if p.theirs not in inner]
    verb = family.verb(f"{first.module}.weight", family.prefix_for(network.spec))
    said: dict[str, Any] = {"fan_in_fan_out": isinstance(verb, Transpose)}
    if inner:
        said["feedforward_modules"] = _shortest(inner, known)
    said["target_modules"] = [*_shortest(others, known), *said.get("feedforward_modules", ())]
    return said


def _names(network: Transformer, family: Family) -> list[str]:
    """Every module that PEFT could take for a target: the layers' maps and all heads'."""
    own = [name.rpartition(".")[0] for name in own_tensors(network, family)]
    return [*(p.theirs for p in places_of(network, family)), *own, *family.head_modules()]


def _shortest(chosen: Sequence[str], known: Iterable[str]) -> list[str]:
    """The shortest ends of names that mean the chosen modules and no others."""
    wanted, all_names, found = set(chosen), set(known), dict[str, None]()
    for name in chosen:
        words = name.split(".")
        ends = (".".join(words[-n:]) for n in range(1, len(words) + 1))
        end = next(e for e in ends if _meant(e, all_names) <= wanted)
        found[end] = None
    return [*found]


def _meant(end: str, names: Iterable[str]) -> set[str]:
    return {name for name in names if name == end or name.endswith(f".{end}")}
