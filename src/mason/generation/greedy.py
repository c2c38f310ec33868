"""The likeliest token, again and again."""

from collections.abc import Collection, Sequence

import torch

from mason.errors import DataError
from mason.generation.decoding import start_decoding
from mason.models.packed import Packed
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, device_of


@torch.inference_mode()
def generate_greedily(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop: Collection[int] | None = None,
) -> list[list[int]]:
    """Continue each prompt with the likeliest token until it stops.

    The prompts go through the model together without padding, then one token for each
    sequence that has not stopped; what a prompt gives does not depend on the others.

    Args:
        model: A decoder with or without an encoder, with the head ``language``.
        prompts: Token ids, as long as each may be; an encoder reads them if there is one.
        max_new_tokens: Most tokens to add.
        stop: Tokens after which a sequence ends; None: the model's end-of-sequence.

    Returns:
        The new tokens of each prompt; one that stopped ends with the token it stopped at.

    Raises:
        DataError: A prompt is empty, or the positions do not reach far enough.
    """
    _check(model.spec, prompts, max_new_tokens)
    stops = _ends(model.spec) if stop is None else stop
    decoding, chunk = start_decoding(model, prompts, max_new_tokens)
    new: list[list[int]] = [[] for _ in prompts]
    live = list(range(len(prompts)))
    for _ in range(max_new_tokens):
        packed = Packed.of(chunk, device=device_of(model))
        rows = decoding.read(packed).index_select(0, packed.layout.last)
        tokens = model.heads["language"](rows).argmax(-1).tolist()
        for i, token in zip(live, tokens, strict=True):
            new[i].append(token)
        going = [k for k, token in enumerate(tokens) if token not in stops]
        if not going:
            break
        if len(going) < len(live):
            decoding.keep(going)
        live, chunk = [live[k] for k in going], [[tokens[k]] for k in going]
    return new


def _ends(spec: ModelSpec) -> tuple[int, ...]:
    ends = spec.special.eos
    if ends is None:
        return ()
    return ends if isinstance(ends, tuple) else (ends,)


def _check(spec: ModelSpec, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    for row, prompt in enumerate(prompts, start=1):
        if not prompt:
            raise DataError("Prompt {row} is empty; write something to go on from.", row=row)
        limit, needed = spec.max_tokens, len(prompt)
        if spec.encoder is None:
            needed += max_new_tokens
        if limit is not None and needed > limit:
            raise DataError(
                "Prompt {row} has {length} tokens and needs {needed} positions with the new ones, "
                "but the model has {limit}; shorten it or ask for fewer new tokens.",
                row=row,
                length=len(prompt),
                needed=needed,
                limit=limit,
            )
