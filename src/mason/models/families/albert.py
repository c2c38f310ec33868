"""ALBERT (Lan et al. 2020, arXiv:1909.11942): one layer used at every depth."""

from mason.models.families.bert import BERT, EMBEDDINGS, KEYS, LANGUAGE_KEYS, POOLER
from mason.models.families.family import Family, HeadTable
from mason.models.families.heads import ANSWERING, masked_language, tagging
from mason.models.families.keys import Fixed, Key, with_defaults
from mason.models.families.weights import concat

OURS, THEIRS = "encoder.layers.0.", ".encoder.albert_layer_groups.0.albert_layers.0."
DEFAULTS = {
    "vocab_size": 30000,
    "hidden_size": 4096,
    "num_attention_heads": 64,
    "intermediate_size": 16384,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
DROPOUT = Key("classifier_dropout_prob", "dropout", 0.1)

ALBERT = Family(
    name="albert",
    prefix="albert.",
    special={"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    architectures={
        "AlbertModel": ("pooled",),
        "AlbertForSequenceClassification": ("classification",),
        "AlbertForTokenClassification": ("tagging",),
        "AlbertForQuestionAnswering": ("answering",),
        "AlbertForMaskedLM": ("language",),
        "AlbertForPreTraining": ("language", "sentence_order"),
    },
    keys=(
        *with_defaults(KEYS, **DEFAULTS),
        Key("embedding_size", "encoder.embedding.width", 128),
        Fixed("num_hidden_groups", (1,)),
        Fixed("inner_group_num", (1,)),
    ),
    constants={**BERT.constants, "encoder.embedding.project": True, "encoder.shared": True},
    weights={
        **EMBEDDINGS,
        "encoder.embedding.project": ".encoder.embedding_hidden_mapping_in",
        OURS + "attention.block.query_key_value": concat(
            THEIRS + "attention.{}", "query", "key", "value"
        ),
        OURS + "attention.block.output": THEIRS + "attention.dense",
        OURS + "attention.outside": THEIRS + "attention.LayerNorm",
        OURS + "feed_forward.block.input": THEIRS + "ffn",
        OURS + "feed_forward.block.output": THEIRS + "ffn_output",
        OURS + "feed_forward.outside": THEIRS + "full_layer_layer_norm",
    },
    heads={
        "pooled": HeadTable(POOLER | {"outputs": 0}, {"dense": ".pooler"}),
        "classification": HeadTable(
            POOLER,
            {"dense": ".pooler", "output": "classifier"},
            (DROPOUT,),
        ),
        "tagging": tagging(DROPOUT),
        "answering": ANSWERING,
        "language": masked_language(
            "predictions.dense",
            "predictions.LayerNorm",
            "predictions.bias",
            *with_defaults(LANGUAGE_KEYS, hidden_act="gelu_new"),
            Key("embedding_size", "dense_width", 128),
        ),
        "sentence_order": HeadTable(
            POOLER | {"outputs": 2},
            {"dense": ".pooler", "output": "sop_classifier.classifier"},
            (DROPOUT,),
        ),
    },
    dropped=BERT.dropped,
    copies={
        "predictions.decoder.weight": "encoder.embedding.tokens.weight",
        "predictions.decoder.bias": "heads.language.output.bias",
    },
)
