"""A writer of random weights: a shape by name, a tokenizer, nothing learned yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mason.errors import SettingsError
from mason.language import say
from mason.models.shapes import family_of, shape
from mason.models.transformer import Transformer, num_parameters, set_dropout
from mason.settings import Settings
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.trainers import Kind
from mason.training.budgets import num_pieces
from mason.workflows.dialling import body_size
from mason.workflows.model import Model
from mason.workflows.objectives import special_of
from mason.workflows.opening import cut_for
from mason.workflows.tokenizing import learn_once

_HEADS = ("language",)
_UNIGRAM = ("marian", "t5")
"""Families whose published models have a SentencePiece vocabulary."""
W = TypeVar("W", bound=Model)


@dataclass(frozen=True)
class Beginning:
    """Where a run begins.

    Attributes:
        folder: What it keeps to go on with; None: nothing is kept.
        notice: Called with each sentence the user should read.
    """

    folder: Path | None
    notice: Callable[[str], None]


def begin_writer(
    kind: type[W], settings: Settings, texts: Sequence[str], beginning: Beginning, **known: Any
) -> W:
    """A model of the shape that the settings name; its tokenizer is learned from the texts.

    Args:
        kind: What it becomes.
        settings: They name a shape.
        texts: What a tokenizer is learned from.
        beginning: Of the run.
        known: What the model knows beside its weights.

    Raises:
        MasonError: There is no such shape, it cannot write, or the vocabulary does not fit.
    """
    chosen = settings.model
    assert chosen.shape is not None, "the caller checks that a shape is named"
    _check_writes(chosen.shape)
    tokenizer = _tokenizer(settings, texts, beginning)
    both = not chosen.shape.startswith(("gpt", "llama"))
    special = special_of(tokenizer, encoder_decoder=both)
    spec = shape(chosen.shape, heads=_HEADS, vocab_size=tokenizer.num_tokens, **special)
    network = Transformer(spec)
    if settings.training.dropout is not None:
        set_dropout(network, settings.training.dropout)
    beginning.notice(
        say(
            "{shape} from random weights: {millions:.1f} million parameters, {pieces:,} pieces.",
            shape=chosen.shape,
            millions=num_parameters(network) / 1e6,
            pieces=tokenizer.num_tokens,
        )
    )
    return kind(
        network,
        tokenizer,
        family_of(chosen.shape),
        say("{shape}, random weights", shape=chosen.shape),
        cut_for(chosen.max_tokens, spec, tokenizer),
        **known,
    )


def _check_writes(name: str) -> None:
    if shape(name, heads=(), vocab_size=1024).decoder is None:
        raise SettingsError(
            "The shape {shape} has no decoder and so cannot write; choose one such as "
            "marian-mini, t5-mini, bart-mini or llama-mini.",
            shape=name,
        )


def _tokenizer(settings: Settings, texts: Sequence[str], beginning: Beginning) -> Tokenizer:
    chosen = settings.model
    if chosen.tokenizer is not None:
        return load_tokenizer(find_model(chosen.tokenizer))
    assert chosen.shape is not None
    kind: Kind = "unigram" if chosen.shape.startswith(_UNIGRAM) else "byte-bpe"
    num_bytes = sum(len(text.encode()) for text in texts)
    size = chosen.vocab_size or num_pieces(body_size(chosen.shape, _HEADS), num_bytes)
    return learn_once(beginning.folder, texts, kind=kind, size=size, notice=beginning.notice)
