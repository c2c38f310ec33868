"""A chat template for a model that has none, where a person asks for it."""

import json
from dataclasses import replace

import torch
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend
from torch import Tensor

from mason.errors import SettingsError
from mason.models.vocabulary import with_vocabulary
from mason.text import Tokenizer
from mason.text.chat import CHATML, CHATML_MARKS
from mason.workflows.talker import Talker


def settle_template(model: Talker, asked: str | None, *, adapts: bool = False) -> None:
    """See that the model has a chat template: its own, or the one asked for.

    Args:
        model: It is given the template, and tokens for its marks.
        asked: "chatml"; None: the model's own.
        adapts: Whether an adapter alone is saved, which holds nothing of new tokens.

    Raises:
        SettingsError: It has none and none is asked for, or it has one of its own, or the marks
            would be lost.
    """
    own = model.tokenizer.chat_template
    if own is None and asked is None:
        raise SettingsError(
            "{source} has no chat template; give it the plain one of ChatML with "
            "--model.chat-template chatml, or choose a chat model such as SmolLM2-135M-Instruct.",
            source=model.source,
        )
    if own is not None and asked is not None and own != CHATML:
        raise SettingsError(
            "{source} has a chat template of its own, which it is served with; leave "
            "--model.chat-template out.",
            source=model.source,
        )
    if own is None and adapts:
        raise SettingsError(
            "model.chat-template gives {source} tokens of which an adapter holds nothing; choose a "
            "model with a template of its own, or leave --adapter out.",
            source=model.source,
        )
    if own is None:
        _give_chatml(model)


def _give_chatml(model: Talker) -> None:
    """The template, its two marks as tokens, and the end of a turn as the end of a text.

    A new token begins as the mean of all: an untrained one stands out of every softmax.
    """
    first = model.tokenizer.num_tokens
    tokenizer = _with_marks(model.tokenizer)
    size = max(model.network.spec.vocab_size, tokenizer.num_tokens)

    def rows(old: Tensor) -> Tensor:
        added = old.mean(0, keepdim=True).expand(size - first, *old.shape[1:])
        return torch.cat([old[:first], added])

    network = with_vocabulary(model.network, size, rows)
    special = replace(network.spec.special, eos=tokenizer.special.eos)
    network.spec = replace(network.spec, special=special)
    model.network, model.tokenizer = network, tokenizer


def _with_marks(tokenizer: Tokenizer) -> Tokenizer:
    backend = Backend.from_str(json.dumps(tokenizer.rules))
    marks = [AddedToken(mark, normalized=False, special=True) for mark in CHATML_MARKS]
    backend.add_special_tokens(marks)
    told = {"chat_template": CHATML, "eos_token": CHATML_MARKS[1]}
    return Tokenizer(backend, {**tokenizer.config, **told})
