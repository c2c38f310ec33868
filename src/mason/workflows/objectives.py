"""Which objective learns what: heads, shapes and inputs by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mason.data.corpora.store import TokenStore
from mason.models.checkpoints import spec_of
from mason.models.families import find_family
from mason.models.transformer import Transformer
from mason.tasks.pretraining import (
    CausalLanguage,
    Denoising,
    Electra,
    Infilling,
    Learner,
    Marks,
    MaskedLanguage,
    Pairs,
    PrefixLanguage,
    ReplacedTokens,
    SpanCorruption,
    Texts,
)
from mason.text import Tokenizer
from mason.text.infilling import find_infill
from mason.text.trainers import Kind


@dataclass(frozen=True)
class Goal:
    """One objective as a user names it.

    Attributes:
        heads: What the model answers with.
        shapes: Shapes the dial chooses from, small to large, as published for it.
        kind: The tokenizer that is learned where none is named.
        make: From passages of a store to the objective.
        paper: Where it comes from.
        modern: Shapes of the modern recipe; empty: those that were published.
        mask_rate: Share hidden by the modern recipe; None: the paper's.
        learner: From the model to what learns: it, or it and what helps it.
    """

    heads: tuple[str, ...]
    shapes: tuple[str, ...]
    kind: Kind
    make: Callable[[TokenStore, bool, int, Marks, float | None], Any]
    paper: str
    modern: tuple[str, ...] = ()
    mask_rate: float | None = None
    learner: Callable[[Transformer], Learner] = lambda network: network


def _texts(store: TokenStore, held: bool, max_tokens: int, marks: Marks) -> Texts:
    return Texts(store.passages(max_tokens - marks.num_around, held=held), marks)


def _masked(store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None) -> Any:
    return MaskedLanguage(_texts(store, held, longest, marks), marks, rate=rate or 0.15)


def _paired(question: str, head: str) -> Callable[..., Any]:
    def make(store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None) -> Any:
        parted = store.passages(longest - 3, held=held).parted()
        pairs = Pairs(
            parted,
            parted.whole.owners.tolist(),
            marks,
            question=question,  # type: ignore[arg-type]
            max_tokens=longest,
        )
        return MaskedLanguage(pairs, marks, rate=rate or 0.15, asked=head)

    return make


def _spans(store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None) -> Any:
    texts = Texts(store.passages(longest, held=held), Marks(marks.size))
    return SpanCorruption(texts, marks, rate=rate or 0.15)


def _denoising(
    store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None
) -> Any:
    texts = Texts(store.passages(longest - 2, held=held), Marks(marks.size))
    return Denoising(texts, marks, rate=rate or 0.3)


def _plain(kind: type[CausalLanguage]) -> Callable[..., Any]:
    def make(store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None) -> Any:
        return kind(_texts(store, held, longest, marks), marks)

    return make


def _replaced(store: TokenStore, held: bool, longest: int, marks: Marks, rate: float | None) -> Any:
    texts = _texts(store, held, longest, marks)
    hidden = MaskedLanguage(texts, marks, rate=rate or 0.15, masked=1.0, random=0.0)
    return ReplacedTokens(hidden)


def _with_generator(network: Transformer) -> Electra:
    """A fresh generator beside it, a quarter as wide (Clark et al. 2020, table 6)."""
    family = find_family({"model_type": "electra"}, Path("config.json"))
    config = family.write_config(network.spec)
    width = max(64, config["hidden_size"] // 4)
    small = {
        "hidden_size": width,
        "num_attention_heads": max(1, width // 64),
        "intermediate_size": 4 * width,
    }
    return Electra(network, Transformer(spec_of({**config, **small}, ("language",))))


_BERTS = ("bert-tiny", "bert-mini", "bert-small", "bert-medium", "bert-base", "bert-large")
_GPTS = ("gpt2-tiny", "gpt2-mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
_T5S = ("t5-mini", "t5-small", "t5-base", "t5-large")
_BARTS = ("bart-mini", "bart-base", "bart-large")
_ALBERTS = ("albert-tiny", "albert-base")
_ELECTRAS = ("electra-tiny", "electra-small", "electra-base")
_MODERNBERTS = tuple(
    f"modernbert-{size}" for size in ("tiny", "micro", "mini", "small", "medium", "base", "large")
)
_LLAMAS = ("llama-tiny", "llama-mini", "llama-small", "llama-135m", "llama-1b")

OBJECTIVES: dict[str, Goal] = {
    "masked": Goal(
        ("language",), _BERTS, "wordpiece", _masked, "Liu et al. 2019", _MODERNBERTS, 0.3
    ),
    "bert": Goal(
        ("language", "next_sentence"),
        _BERTS,
        "wordpiece",
        _paired("next-sentence", "next_sentence"),
        "Devlin et al. 2019",
        _MODERNBERTS,
        0.3,
    ),
    "albert": Goal(
        ("language", "sentence_order"),
        _ALBERTS,
        "wordpiece",
        _paired("sentence-order", "sentence_order"),
        "Lan et al. 2020",
    ),
    "electra": Goal(
        ("replaced",),
        _ELECTRAS,
        "wordpiece",
        _replaced,
        "Clark et al. 2020",
        learner=_with_generator,
    ),
    "causal": Goal(
        ("language",), _GPTS, "byte-bpe", _plain(CausalLanguage), "Radford et al. 2018", _LLAMAS
    ),
    "prefix": Goal(
        ("language",), _GPTS, "byte-bpe", _plain(PrefixLanguage), "Dong et al. 2019", _LLAMAS
    ),
    "infilling": Goal(
        ("language",), _GPTS, "byte-bpe", _plain(Infilling), "Bavarian et al. 2022", _LLAMAS
    ),
    "spans": Goal(("language",), _T5S, "unigram", _spans, "Raffel et al. 2020"),
    "denoising": Goal(("language",), _BARTS, "byte-bpe", _denoising, "Lewis et al. 2020"),
}
DEFAULT_OBJECTIVE = "masked"
"""What is learned where nobody says."""


def marks_of(tokenizer: Tokenizer) -> Marks:
    """The marks a tokenizer has."""
    special = tokenizer.special
    first = special.cls if special.cls is not None else special.bos
    last = special.sep if special.sep is not None else special.eos
    sentinels = _numbered(tokenizer, "<extra_id_{}>")
    return Marks(
        tokenizer.num_tokens,
        first,
        last,
        special.mask,
        sentinels,
        find_infill(tokenizer),
    )


def special_of(tokenizer: Tokenizer, *, encoder_decoder: bool) -> dict[str, int]:
    """The same as keys of a config, for a model from random weights."""
    special = tokenizer.special
    named = {
        "pad_token_id": special.pad,
        "bos_token_id": special.bos,
        "eos_token_id": special.eos,
    }
    if encoder_decoder:
        named["decoder_start_token_id"] = special.pad if special.pad is not None else special.eos
    return {key: value for key, value in named.items() if value is not None}


def _numbered(tokenizer: Tokenizer, pattern: str) -> tuple[int, ...]:
    found: Sequence[int | None] = [tokenizer.token_id(pattern.format(i)) for i in range(100)]
    return tuple(i for i in found if i is not None)
