"""BERT (Devlin et al. 2019, arXiv:1810.04805)."""

from mason.models.families.family import Family, HeadTable
from mason.models.families.keys import ACTIVATION, Fixed, Key, like
from mason.models.families.weights import concat

LAYER = "encoder.layers.{i}."
KEYS = (
    Key("vocab_size", "encoder.embedding.vocab_size", 30522),
    Key("hidden_size", "width", 768),
    Key("num_hidden_layers", "encoder.depth", 12),
    Key("num_attention_heads", "encoder.attention.num_heads", 12),
    Key("intermediate_size", "encoder.feed_forward.width", 3072),
    Key("hidden_act", "encoder.feed_forward.activation", "gelu", ACTIVATION),
    Key("hidden_dropout_prob", ("encoder.dropout", "encoder.embedding.dropout"), 0.1),
    Key("attention_probs_dropout_prob", "encoder.attention.dropout", 0.1),
    Key("max_position_embeddings", "encoder.embedding.num_positions", 512),
    Key("type_vocab_size", "encoder.embedding.num_token_types", 2),
    Key("initializer_range", "initial_std", 0.02),
    Key("layer_norm_eps", ("encoder.norm.epsilon", "encoder.embedding.norm.epsilon"), 1e-12),
    Fixed("position_embedding_type", ("absolute", None)),
    Fixed("is_decoder", (False,)),
    Fixed("add_cross_attention", (False,)),
    Fixed("tie_word_embeddings", (True,)),
)
POOLER = {"pool": "first", "dense": True, "activation": "tanh"}
POOLED = HeadTable(POOLER | {"outputs": 0}, {"heads.pooled.dense": ".pooler.dense"})
LANGUAGE_KEYS = (
    Key("hidden_act", "heads.language.activation", "gelu", ACTIVATION),
    Key("layer_norm_eps", "heads.language.norm.epsilon", 1e-12),
)

BERT = Family(
    name="bert",
    prefix="bert.",
    special={"pad_token_id": 0},
    architectures={
        "BertModel": ("pooled",),
        "BertForSequenceClassification": ("classification",),
        "BertForMaskedLM": ("language",),
        "BertForNextSentencePrediction": ("next_sentence",),
        "BertForPreTraining": ("language", "next_sentence"),
    },
    keys=KEYS,
    constants={"encoder.embedding.positions": "learned"},
    weights={
        "encoder.embedding.tokens": ".embeddings.word_embeddings",
        "encoder.embedding.positions": ".embeddings.position_embeddings",
        "encoder.embedding.token_types": ".embeddings.token_type_embeddings",
        "encoder.embedding.norm": ".embeddings.LayerNorm",
        LAYER + "attention.block.query_key_value": concat(
            ".encoder.layer.{i}.attention.self.{}", "query", "key", "value"
        ),
        LAYER + "attention.block.output": ".encoder.layer.{i}.attention.output.dense",
        LAYER + "attention.outside": ".encoder.layer.{i}.attention.output.LayerNorm",
        LAYER + "feed_forward.block.input": ".encoder.layer.{i}.intermediate.dense",
        LAYER + "feed_forward.block.output": ".encoder.layer.{i}.output.dense",
        LAYER + "feed_forward.outside": ".encoder.layer.{i}.output.LayerNorm",
    },
    heads={
        "pooled": POOLED,
        "classification": HeadTable(
            POOLER,
            {
                "heads.classification.dense": ".pooler.dense",
                "heads.classification.output": "classifier",
            },
            (
                Key(
                    "classifier_dropout",
                    "heads.classification.dropout",
                    like("hidden_dropout_prob", 0.1),
                ),
            ),
        ),
        "language": HeadTable(
            {"dense": True, "tied": True},
            {
                "heads.language.dense": "cls.predictions.transform.dense",
                "heads.language.norm": "cls.predictions.transform.LayerNorm",
                "heads.language.output.bias": "cls.predictions.bias",
            },
            LANGUAGE_KEYS,
        ),
        "next_sentence": HeadTable(
            POOLER | {"outputs": 2},
            {
                "heads.next_sentence.dense": ".pooler.dense",
                "heads.next_sentence.output": "cls.seq_relationship",
            },
        ),
    },
    dropped=("*embeddings.position_ids",),
    copies={
        "cls.predictions.decoder.weight": "encoder.embedding.tokens.weight",
        "cls.predictions.decoder.bias": "heads.language.output.bias",
    },
)
