"""Heads and ties that several families share."""

from typing import Any

from mason.models.families.family import HeadTable
from mason.models.families.keys import Default, Key

SCORE = HeadTable({"pool": "last", "bias": False}, {"output": "score"})
"""Classification by the last token."""
ANSWERING = HeadTable({"outputs": 2}, {"output": "qa_outputs"})
"""Where an answer begins and where it ends: two outputs a token."""
TAGGING = HeadTable(
    {"outputs": "labels"}, {"output": "score"}, (Key("classifier_dropout", "dropout", 0.1),)
)
"""A label for every token of a decoder."""
SHARED = {
    ".encoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
    ".decoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
    "lm_head.weight": "heads.language.output.weight",
}
"""Copies of an encoder-decoder's one matrix of token vectors."""


def language(tied: bool, *more: Key) -> HeadTable:
    """A causal language head without bias.

    Args:
        tied: Whether its matrix is the embedding's where the config does not say.
        more: Other config keys that it reads.
    """
    keys = (Key("tie_word_embeddings", "tied", tied), *more)
    return HeadTable({"bias": False}, {"output": "lm_head"}, keys)


def masked_language(dense: str, norm: str, bias: str, *keys: Key, **spec: Any) -> HeadTable:
    """A masked language head: a dense map, an activation and a norm before the tied matrix.

    Args:
        dense: Where the dense map lies.
        norm: Where the norm lies.
        bias: Where the bias after the matrix lies.
        keys: Config keys that it reads.
        spec: Other fields of ``HeadSpec``.
    """
    table = {"dense": dense, "norm": norm, "output.bias": bias}
    return HeadTable({"dense": True, "tied": True, **spec}, table, keys)


def tagging(*keys: Key) -> HeadTable:
    """A label for every token: dropout and the output matrix.

    Args:
        keys: Config keys that it reads.
    """
    return HeadTable({"outputs": "labels"}, {"output": "classifier"}, keys)


def dense_classification(
    theirs: str = "classification_head",
    pool: str = "last",
    *,
    activation: str = "tanh",
    dropout: Default = 0.0,
    prefix: str | None = None,
) -> HeadTable:
    """Classification of one pooled vector, through a dense map, with dropout on both sides.

    Args:
        theirs: Where the two maps lie.
        pool: Which vector.
        activation: What stands between the maps.
        dropout: The rate where the config does not say.
        prefix: The base prefix in this class, where it is not the family's.
    """
    return HeadTable(
        {"pool": pool, "dense": True, "activation": activation},
        {"dense": theirs + ".dense", "output": theirs + ".out_proj"},
        (Key("classifier_dropout", ("input_dropout", "dropout"), dropout),),
        prefix,
    )
