"""A model with other rows in its vocabulary."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from mason.layers import StackSpec, without_values
from mason.models.adapters import ROUNDED
from mason.models.spec import ModelSpec, SpecialTokens
from mason.models.transformer import Transformer

Rows = Callable[[Tensor], Tensor]
"""The new rows, given the old: of token vectors, of output weights, and of their biases."""


def with_vocabulary(
    model: Transformer, size: int, rows: Rows, places: Mapping[int, int] | None = None
) -> Transformer:
    """The same model with ``size`` rows in token embeddings and outputs.

    Args:
        model: It is left as it is.
        size: Rows that ``rows`` gives.
        rows: From old to new rows.
        places: New ids by the old, ``special_ids`` among them; None: they stay.
    """
    held = [(name, m) for name, m in model.named_modules() if isinstance(m, ROUNDED)]
    with without_values() if held else nullcontext():
        made = Transformer(_resized(model.spec, size, places))
    for name, module in held:  # shared, for it does not learn
        made.set_submodule(name, module)
    if not held:
        made = made.to(next(model.parameters()))
    theirs = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in list(made.named_parameters()):
            old = theirs[name]
            new = rows(old) if _is_of_tokens(name, model.spec) else old
            if parameter.is_meta:
                room, _, leaf = name.rpartition(".")
                setattr(made.get_submodule(room), leaf, nn.Parameter(new.clone()))
            else:
                parameter.copy_(new)
    return made.train(model.training)


def special_ids(spec: ModelSpec) -> set[int]:
    """Ids that mean something to the model."""
    ends = spec.special.eos
    found = {spec.special.pad, spec.special.bos, spec.special.decoder_start}
    found |= set(ends) if isinstance(ends, tuple) else {ends}
    return {id for id in found if id is not None}


def _is_of_tokens(name: str, spec: ModelSpec) -> bool:
    if name.endswith("embedding.tokens.weight"):
        return True
    room, _, rest = name.partition(".")
    head = spec.heads.get(rest.partition(".")[0]) if room == "heads" else None
    of_tokens = head is not None and head.outputs is None and not head.pool
    return of_tokens and ".output." in name


def _resized(spec: ModelSpec, size: int, places: Mapping[int, int] | None) -> ModelSpec:
    def stack(old: StackSpec | None) -> StackSpec | None:
        return old and replace(old, embedding=replace(old.embedding, vocab_size=size))

    def place(id: int | None) -> int | None:
        return id if id is None or places is None else places.get(id)

    special = spec.special
    ends = special.eos
    moved = SpecialTokens(
        place(special.pad),
        place(special.bos),
        tuple(p for e in ends if (p := place(e)) is not None)
        if isinstance(ends, tuple)
        else place(ends),
        place(special.decoder_start),
    )
    return replace(spec, encoder=stack(spec.encoder), decoder=stack(spec.decoder), special=moved)
