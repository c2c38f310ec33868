"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without token types and pooler.

In training, attention's output is dropped out as in BERT, which transformers leaves out.
"""

from dataclasses import replace

from mason.models.families.family import Family, HeadTable
from mason.models.families.heads import ANSWERING, masked_language, tagging
from mason.models.families.keys import ACTIVATION, Fixed, Key
from mason.models.families.weights import concat

OURS, THEIRS = "encoder.layers.{i}.", ".transformer.layer.{i}."
EPSILON = 1e-12

DISTILBERT = Family(
    name="distilbert",
    prefix="distilbert.",
    special={"pad_token_id": 0},
    architectures={
        "DistilBertModel": (),
        "DistilBertForSequenceClassification": ("classification",),
        "DistilBertForTokenClassification": ("tagging",),
        "DistilBertForQuestionAnswering": ("answering",),
        "DistilBertForMaskedLM": ("language",),
    },
    keys=(
        Key("vocab_size", "encoder.embedding.vocab_size", 30522),
        Key("max_position_embeddings", "encoder.embedding.num_positions", 512),
        Key("n_layers", "encoder.depth", 6),
        Key("n_heads", "encoder.attention.num_heads", 12),
        Key("dim", "width", 768),
        Key("hidden_dim", "encoder.feed_forward.width", 3072),
        Key("activation", "encoder.feed_forward.activation", "gelu", ACTIVATION),
        Key("dropout", ("encoder.dropout", "encoder.embedding.dropout"), 0.1),
        Key("attention_dropout", "encoder.attention.dropout", 0.1),
        Key("initializer_range", "initial_std", 0.02),
        Fixed("tie_word_embeddings", (True,)),
    ),
    constants={
        "encoder.embedding.positions": "learned",
        "encoder.embedding.norm.epsilon": EPSILON,
        "encoder.norm.epsilon": EPSILON,
    },
    weights={
        "encoder.embedding.tokens": ".embeddings.word_embeddings",
        "encoder.embedding.positions": ".embeddings.position_embeddings",
        "encoder.embedding.norm": ".embeddings.LayerNorm",
        OURS + "attention.block.query_key_value": concat(THEIRS + "attention.{}_lin", *"qkv"),
        OURS + "attention.block.output": THEIRS + "attention.out_lin",
        OURS + "attention.outside": THEIRS + "sa_layer_norm",
        OURS + "feed_forward.block.input": THEIRS + "ffn.lin1",
        OURS + "feed_forward.block.output": THEIRS + "ffn.lin2",
        OURS + "feed_forward.outside": THEIRS + "output_layer_norm",
    },
    heads={
        "classification": HeadTable(
            {"pool": "first", "dense": True, "activation": "relu"},
            {"dense": "pre_classifier", "output": "classifier"},
            (Key("seq_classif_dropout", "dropout", 0.2),),
        ),
        "tagging": tagging(Key("dropout", "dropout", 0.1)),
        "answering": replace(ANSWERING, keys=(Key("qa_dropout", "dropout", 0.1),)),
        "language": masked_language(
            "vocab_transform",
            "vocab_layer_norm",
            "vocab_projector.bias",
            Key("activation", "activation", "gelu", ACTIVATION),
            **{"norm.epsilon": EPSILON},
        ),
    },
    # Sinusoidal positions are where a fresh model starts; a checkpoint holds its own.
    ignored_keys=frozenset({"sinusoidal_pos_embds"}),
    copies={"vocab_projector.weight": "encoder.embedding.tokens.weight"},
)
