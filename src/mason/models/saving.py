"""Models as Hugging Face folders, if these can say what the model is."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mason.errors import CheckpointError
from mason.layers import FusedLinear
from mason.models.eight_bits import in_eight_bits, widened
from mason.models.families import Family
from mason.models.families.paths import read
from mason.models.few_bits import held_in_few_bits, write_held
from mason.models.files import write_json, write_rounded, write_weights
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer


def save_model(
    model: Transformer, family: Family, folder: Path, *, problem: str | None = None
) -> None:
    """Write ``config.json`` and the weights into an existing folder, as transformers does.

    Those of a model in 8 or 4 bits go to a file that Mason alone reads.

    Args:
        model: What is written.
        family: In whose format.
        folder: Where.
        problem: The ``problem_type`` by which transformers chooses a loss; None: it looks at
            the labels.

    Raises:
        CheckpointError: The family's format cannot say what this model is.
    """
    rounded = held_in_few_bits(model) or in_eight_bits(model)
    if not rounded:
        _check_heads(model.spec, family)
    config = family.write_config(model.spec)
    _check_config(config, family, model.spec)
    config |= {} if problem is None else {"problem_type": problem}
    config["dtype"] = str(next(model.parameters()).dtype).removeprefix("torch.")
    write_json(folder / "config.json", config)
    if held_in_few_bits(model):
        write_held(model, folder)
    elif in_eight_bits(model):
        write_rounded(folder, export_tensors(widened(model), family))
    else:
        write_weights(folder, export_tensors(model, family))


def _check_heads(spec: ModelSpec, family: Family) -> None:
    """Refuse files that other tools would read as another model."""
    attention = spec.input_stack.attention
    width = attention.num_heads * attention.head_width_in(spec.width)
    if width != spec.width and not family.tells_head_width:
        raise CheckpointError(
            "Heads were taken out of this model, and config.json of the family {family} has no "
            "place for the width of those that are left; hold the model in 8 or 4 bits, or put "
            "heads of zeros in their place with mason.compression.with_blank_heads.",
            family=family.name,
        )


def _check_config(config: dict[str, Any], family: Family, spec: ModelSpec) -> None:
    """Refuse a config that would be read as another model than the one it is written for."""
    again = family.read_config(config, spec.heads)
    for path, ours, told in _differences(spec, again):
        raise CheckpointError(
            "This model has {path} = {ours}, but config.json of the family {family} can only say "
            "{told}; save its weights with safetensors, not as a Hugging Face folder.",
            path=path,
            ours=ours,
            family=family.name,
            told=told,
        )


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two specs differ: dotted path and both values."""
    if ours == theirs:
        return
    nested = isinstance(ours, Mapping) or is_dataclass(ours)
    if not nested or type(ours) is not type(theirs):
        yield path, ours, theirs
        return
    for name in ours if isinstance(ours, Mapping) else ours.__dataclass_fields__:
        mine, other = read(ours, name), read(theirs, name)
        yield from _differences(mine, other, f"{path}.{name}" if path else name)


def export_tensors(model: Transformer, family: Family) -> dict[str, Tensor]:
    """The model's parameters under the family's names."""
    prefix = family.prefix_for(model.spec)
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        widths = widths_of(model, name)
        verb = family.verb(name, prefix, len(widths), shared=model.spec.share_embeddings)
        if verb is None:
            raise CheckpointError(
                "{name} has no place in the format of the family {family}; a model with own "
                "blocks is saved with torch or safetensors, not as a Hugging Face folder.",
                name=name,
                family=family.name,
            )
        parts = verb.cut(parameter.detach(), widths)
        tensors.update((n, part.contiguous()) for n, part in zip(verb.names, parts, strict=True))
    return tensors


def widths_of(model: Transformer, name: str) -> list[int]:
    """Rows of each part of a parameter's module; one number where it is not fused."""
    module = model.get_submodule(name.rpartition(".")[0])
    return list(module.parts.values()) if isinstance(module, FusedLinear) else [0]
