"""Published shapes by name, as the Hugging Face configs that describe them.

A shape has no weights; its vocabulary is the tokenizer's. Sizes are those of the papers the
families' tables name, and of Turc et al. 2019 (arXiv:1908.08962) for the small BERTs; GPT-3's
are table 2.1 of Brown et al. 2020 (arXiv:2005.14165).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mason.errors import SettingsError
from mason.models.checkpoints import spec_of
from mason.models.families import Family, find_family
from mason.models.spec import ModelSpec

Config = Mapping[str, Any]
_PLACE = Path("config.json")


def _bert(width: int, depth: int, kind: str = "bert", **more: Any) -> Config:
    return {
        "model_type": kind,
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": max(2, width // 64),
        "intermediate_size": 4 * width,
        "max_position_embeddings": 512,
        **more,
    }


def _gpt(width: int, depth: int, heads: int, kind: str = "gpt2", length: int = 1024) -> Config:
    sizes = {"n_embd": width, "n_layer": depth, "n_head": heads, "n_positions": length}
    return {"model_type": kind, **sizes}


def _gpt3(width: int, depth: int, heads: int) -> Config:
    """Alternating dense and banded layers, as GPT-Neo's config spells them."""
    return {
        "model_type": "gpt_neo",
        "hidden_size": width,
        "num_layers": depth,
        "num_heads": heads,
        "attention_types": [[["global", "local"], depth // 2]],
        "max_position_embeddings": 2048,
        "window_size": 256,
    }


def _t5(width: int, depth: int, heads: int, inner: int) -> Config:
    return {
        "model_type": "t5",
        "d_model": width,
        "d_kv": 64,
        "d_ff": inner,
        "num_layers": depth,
        "num_heads": heads,
    }


def _bart(width: int, depth: int, heads: int) -> Config:
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (
            ("layers", depth),
            ("attention_heads", heads),
            ("ffn_dim", 4 * width),
        )
    }
    return {"model_type": "bart", "d_model": width, "max_position_embeddings": 512, **sides}


def _marian(width: int, depth: int, heads: int) -> Config:
    """As in the published pairs: sinusoidal positions, swish, one matrix of token vectors.

    Their embeddings are scaled up by the root of the width, so that a deviation of one over it
    makes token vectors as large as positions (Vaswani et al. 2017, Ott et al. 2019).
    """
    return {
        **_bart(width, depth, heads),
        "model_type": "marian",
        "activation_function": "swish",
        "scale_embedding": True,
        "init_std": round(width**-0.5, 4),
    }


def _modernbert(width: int, depth: int, inner: int) -> Config:
    return {
        "model_type": "modernbert",
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": max(2, width // 64),
        "intermediate_size": inner,
        "max_position_embeddings": 8192,
        "classifier_pooling": "mean",
    }


def _llama(width: int, depth: int, heads: int, kv_heads: int, inner: int) -> Config:
    return {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": inner,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }


SHAPES: dict[str, Config] = {
    "bert-tiny": _bert(128, 2),
    "bert-mini": _bert(256, 4),
    "bert-small": _bert(512, 4),
    "bert-medium": _bert(512, 8),
    "bert-base": _bert(768, 12),
    "bert-large": _bert(1024, 24),
    "roberta-base": _bert(768, 12, "roberta", max_position_embeddings=514),
    "electra-tiny": _bert(128, 4, "electra", embedding_size=128),
    "electra-small": _bert(256, 12, "electra", embedding_size=128),
    "electra-base": _bert(768, 12, "electra", embedding_size=768),
    "modernbert-tiny": _modernbert(128, 4, 192),
    "modernbert-micro": _modernbert(192, 5, 288),
    "modernbert-mini": _modernbert(256, 6, 384),
    "modernbert-small": _modernbert(512, 6, 768),
    "modernbert-medium": _modernbert(512, 12, 768),
    "modernbert-base": _modernbert(768, 22, 1152),
    "modernbert-large": _modernbert(1024, 28, 2624),
    "albert-tiny": _bert(128, 2, "albert", embedding_size=128),
    "albert-base": _bert(768, 12, "albert", embedding_size=128),
    "gpt2-tiny": _gpt(128, 2, 2),
    "gpt2-mini": _gpt(256, 4, 4),
    "gpt2": _gpt(768, 12, 12),
    "gpt2-medium": _gpt(1024, 24, 16),
    "gpt2-large": _gpt(1280, 36, 20),
    "gpt2-xl": _gpt(1600, 48, 25),
    "gpt3-125m": _gpt3(768, 12, 12),
    "gpt3-350m": _gpt3(1024, 24, 16),
    "gpt3-760m": _gpt3(1536, 24, 16),
    "gpt3-1.3b": _gpt3(2048, 24, 16),
    "gpt3-2.7b": _gpt3(2560, 32, 32),
    "gpt3-6.7b": _gpt3(4096, 32, 32),
    "gpt3-13b": _gpt3(5120, 40, 40),
    "gpt3-175b": _gpt3(12288, 96, 96),
    "t5-mini": _t5(256, 4, 4, 1024),
    "t5-small": _t5(512, 6, 8, 2048),
    "t5-base": _t5(768, 12, 12, 3072),
    "t5-large": _t5(1024, 24, 16, 4096),
    "bart-mini": _bart(256, 3, 4),
    "bart-base": _bart(768, 6, 12),
    "bart-large": _bart(1024, 12, 16),
    "marian-tiny": _marian(128, 2, 4),
    "marian-mini": _marian(256, 3, 4),
    "marian-small": _marian(384, 4, 6),
    "marian-base": _marian(512, 6, 8),
    "marian-large": _marian(1024, 6, 16),
    "llama-tiny": _llama(128, 4, 4, 2, 352),
    "llama-mini": _llama(256, 6, 4, 2, 704),
    "llama-small": _llama(512, 8, 8, 4, 1408),
    "llama-135m": _llama(576, 30, 9, 3, 1536),
    "llama-1b": _llama(2048, 16, 32, 8, 8192),
}
"""By name; ``gpt3-13b`` has 40 heads of 128, so 5,120 where the paper prints 5,140."""


def shape(name: str, *, heads: tuple[str, ...], vocab_size: int, **more: Any) -> ModelSpec:
    """The spec of a named shape with these heads and a vocabulary.

    Args:
        name: One of ``SHAPES``.
        heads: Names of heads.
        vocab_size: Rows of the vocabulary.
        more: Further config keys, such as special ids and dropout.

    Raises:
        SettingsError: There is no such shape, or its family has no such head.
    """
    if name not in SHAPES:
        raise SettingsError(
            "There is no shape {name!r}; choose one of {known}.",
            name=name,
            known=", ".join(SHAPES),
        )
    config = {**SHAPES[name], "vocab_size": vocab_size, **more}
    family = find_family(config, _PLACE)
    missing = [head for head in heads if head not in family.heads]
    if missing:
        raise SettingsError(
            "The shape {name} has no head {head}; its family has {known}. Choose another shape "
            "for this objective.",
            name=name,
            head=missing[0],
            known=", ".join(family.heads),
        )
    return spec_of(config, heads)


def family_of(name: str) -> Family:
    """The family in whose format a named shape is saved."""
    return find_family(SHAPES[name], _PLACE)
