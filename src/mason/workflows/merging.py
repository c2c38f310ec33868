"""Merging: an adapter becomes part of plain weights, if nothing changes by it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mason.errors import CheckpointError, SettingsError
from mason.language import say
from mason.models.adapters import check_adapter, merge
from mason.models.files import writing_folder
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.workflows.loading import load
from mason.workflows.model import Model

TOLERANCE = 1e-3
"""Largest difference of an output that merging may make, over the largest output."""
_LENGTHS = (17, 5, 1, 11)
"""Of the random texts by which it is measured."""


@dataclass(frozen=True)
class Merged:
    """A merged model, where it lies, and how far its outputs are from the adapter's."""

    model: Model
    folder: Path
    difference: float


def merge_adapter(
    source: Model | str | Path,
    output: str | Path,
    *,
    name: str | None = None,
    half: bool = False,
    tolerance: float = TOLERANCE,
    notice: Callable[[str], None] = lambda sentence: None,
) -> Merged:
    """Write the plain model that a model with an adapter amounts to.

    Args:
        source: The model, or its folder; it is merged in place.
        output: Folder to write.
        name: The adapter's; None: the first.
        half: Whether the weights are rounded to bf16, in half the bytes.
        tolerance: Largest difference of an output, over the largest output.
        notice: Called with each sentence the user should read.

    Raises:
        MasonError: There is no adapter, it does not merge, or the outputs differ by more; then
            nothing is written.
    """
    model = source if isinstance(source, Model) else load(source)
    if not model.adapters:
        raise SettingsError(
            "{source} has no adapter to merge; name the folder of a run with --adapter.",
            source=model.source,
        )
    chosen = name or model.adapters[0]
    check_adapter(model.network, chosen)
    texts = _random_texts(model.network)
    with model.adapter(chosen):
        before = _outputs(model.network, texts)
    merge(model.network, chosen)
    model.base = None
    if half:
        for parameter in model.network.parameters():
            parameter.data = parameter.data.to(torch.bfloat16).float()
    far = _distance(_outputs(model.network, texts), before)
    if not far <= tolerance:
        raise CheckpointError(
            "Merged and unmerged outputs differ by {far:.2g} of the largest, more than "
            "{limit:.2g}; nothing was written. Keep the adapter beside its model{hint}, or allow "
            "more with --tolerance.",
            far=far,
            limit=tolerance,
            hint=say(", leave --half out") if half else "",
        )
    if half:
        model.network.to(torch.bfloat16)
    with writing_folder(Path(output), kind="model", made_from={"adapter": str(source)}) as draft:
        model.write(draft)
    notice(say("Merged and unmerged outputs differ by {far:.1g} of the largest.", far=far))
    return Merged(model, Path(output), far)


def _random_texts(network: Transformer) -> Packed:
    draw = torch.Generator().manual_seed(1)
    size = network.spec.vocab_size
    rows = [torch.randint(0, size, (n,), generator=draw).tolist() for n in _LENGTHS]
    return Packed.of(rows, device=device_of(network))


@torch.no_grad()
def _outputs(network: Transformer, texts: Packed) -> Tensor:
    """What every head gives, or the hidden states where there is no head."""
    network.eval()
    target = texts if network.spec.topology == "encoder-decoder" else None
    found = [network.logits(head, texts, target).flatten() for head in network.heads]
    return torch.cat(found or [network(texts, target).flatten()]).float()


def _distance(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
