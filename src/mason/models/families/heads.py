"""Heads and ties that several families share."""

from mason.models.families.family import HeadTable
from mason.models.families.keys import Entry, Key

SCORE = HeadTable({"pool": "last", "bias": False}, {"heads.classification.output": "score"})
"""Classification by the last token."""
SHARED = {
    ".encoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
    ".decoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
    "lm_head.weight": "heads.language.output.weight",
}
"""Copies of an encoder-decoder's one matrix of token vectors."""


def language(tied: bool, *more: Entry) -> HeadTable:
    """A causal language head without bias.

    Args:
        tied: Whether its matrix is the embedding's where the config does not say.
        more: Other config keys that it reads.
    """
    keys = (Key("tie_word_embeddings", "heads.language.tied", tied), *more)
    return HeadTable({"bias": False}, {"heads.language.output": "lm_head"}, keys)


def dense_classification(prefix: str | None = None) -> HeadTable:
    """Classification by the last token, through a dense map with tanh."""
    dropouts = ("heads.classification.input_dropout", "heads.classification.dropout")
    return HeadTable(
        {"pool": "last", "dense": True, "activation": "tanh"},
        {
            "heads.classification.dense": "classification_head.dense",
            "heads.classification.output": "classification_head.out_proj",
        },
        (Key("classifier_dropout", dropouts, 0.0),),
        prefix,
    )
