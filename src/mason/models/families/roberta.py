"""RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT's encoder, positions counted from 2."""

from mason.models.families.bert import BERT, DROPOUT, KEYS, POOLED, TAGGING
from mason.models.families.family import Family
from mason.models.families.heads import ANSWERING, dense_classification, masked_language
from mason.models.families.keys import Code, Fixed, Key, replaced, with_defaults

OFFSET = 2
"""Positions are counted from the one behind the padding's, which is 1."""

ROBERTA = Family(
    name="roberta",
    prefix="roberta.",
    special={"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    architectures={
        "RobertaModel": ("pooled",),
        "RobertaForSequenceClassification": ("classification",),
        "RobertaForTokenClassification": ("tagging",),
        "RobertaForQuestionAnswering": ("answering",),
        "RobertaForMaskedLM": ("language",),
    },
    keys=(
        *replaced(
            with_defaults(KEYS, vocab_size=50265),
            Key(
                "max_position_embeddings",
                "encoder.embedding.num_positions",
                512,
                Code(lambda rows: rows - OFFSET, lambda positions: positions + OFFSET),
            ),
        ),
        Fixed("pad_token_id", (OFFSET - 1,)),
    ),
    constants={**BERT.constants, "encoder.embedding.position_offset": OFFSET},
    weights=BERT.weights,
    heads={
        "pooled": POOLED,
        "classification": dense_classification("classifier", "first", dropout=DROPOUT),
        "tagging": TAGGING,
        "answering": ANSWERING,
        "language": masked_language(
            "lm_head.dense",
            "lm_head.layer_norm",
            "lm_head.bias",
            Key("layer_norm_eps", "norm.epsilon", 1e-12),
            activation="gelu",
        ),
    },
    dropped=BERT.dropped,
    copies={
        "lm_head.decoder.weight": "encoder.embedding.tokens.weight",
        "lm_head.decoder.bias": "heads.language.output.bias",
    },
)
