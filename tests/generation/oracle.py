"""What transformers generates for the same prompts, one by one."""

from typing import Any

import torch

from benchmarks.parity_oracle import Pair
from mason.generation import Generated


def theirs(pair: Pair, prompt: list[int], **settings: Any) -> Any:
    """What ``generate`` gives, with scores."""
    config = pair.theirs.generation_config
    config.eos_token_id = settings.pop("eos_token_id", None)
    config.forced_eos_token_id = config.forced_bos_token_id = None
    if pair.ours.encoder:
        config.decoder_start_token_id = pair.ours.spec.special.decoder_start or 0
    ids = torch.tensor([prompt])
    return pair.theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **settings,
    )


def new_tokens(pair: Pair, prompt: list[int], row: torch.Tensor, end: int | None) -> list[int]:
    """The new tokens of a row, up to the end."""
    new = row[1 if pair.ours.encoder else len(prompt) :].tolist()
    return new[: new.index(end) + 1] if end in new else new


def tokens_of(found: list[Generated]) -> list[list[int]]:
    """The tokens of each answer."""
    return [answer.tokens for answer in found]
