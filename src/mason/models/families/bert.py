"""BERT (Devlin et al. 2019, arXiv:1810.04805)."""

from mason.models.families.family import Family, HeadTable
from mason.models.families.heads import ANSWERING, masked_language, tagging
from mason.models.families.keys import ACTIVATION, Entry, Fixed, Key, fixed, like
from mason.models.families.weights import concat

OURS, THEIRS = "encoder.layers.{i}.", ".encoder.layer.{i}."
PREDICTIONS = "cls.predictions."
KEYS: tuple[Entry, ...] = (
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
    *fixed((False,), "is_decoder", "add_cross_attention"),
    Fixed("tie_word_embeddings", (True,)),
)
EMBEDDINGS = {
    "encoder.embedding.tokens": ".embeddings.word_embeddings",
    "encoder.embedding.positions": ".embeddings.position_embeddings",
    "encoder.embedding.token_types": ".embeddings.token_type_embeddings",
    "encoder.embedding.norm": ".embeddings.LayerNorm",
}
POOLER = {"pool": "first", "dense": True, "activation": "tanh"}
POOLED = HeadTable(POOLER | {"outputs": 0}, {"dense": ".pooler.dense"})
DROPOUT = like("hidden_dropout_prob", 0.1)
TAGGING = tagging(Key("classifier_dropout", "dropout", DROPOUT))
LANGUAGE_KEYS = (
    Key("hidden_act", "activation", "gelu", ACTIVATION),
    Key("layer_norm_eps", "norm.epsilon", 1e-12),
)

BERT = Family(
    name="bert",
    prefix="bert.",
    special={"pad_token_id": 0},
    architectures={
        "BertModel": ("pooled",),
        "BertForSequenceClassification": ("classification",),
        "BertForTokenClassification": ("tagging",),
        "BertForQuestionAnswering": ("answering",),
        "BertForMaskedLM": ("language",),
        "BertForNextSentencePrediction": ("next_sentence",),
        "BertForPreTraining": ("language", "next_sentence"),
    },
    keys=KEYS,
    constants={"encoder.embedding.positions": "learned"},
    weights={
        **EMBEDDINGS,
        OURS + "attention.block.query_key_value": concat(
            THEIRS + "attention.self.{}", "query", "key", "value"
        ),
        OURS + "attention.block.output": THEIRS + "attention.output.dense",
        OURS + "attention.outside": THEIRS + "attention.output.LayerNorm",
        OURS + "feed_forward.block.input": THEIRS + "intermediate.dense",
        OURS + "feed_forward.block.output": THEIRS + "output.dense",
        OURS + "feed_forward.outside": THEIRS + "output.LayerNorm",
    },
    heads={
        "pooled": POOLED,
        "classification": HeadTable(
            POOLER,
            {"dense": ".pooler.dense", "output": "classifier"},
            (Key("classifier_dropout", "dropout", DROPOUT),),
        ),
        "tagging": TAGGING,
        "answering": ANSWERING,
        "language": masked_language(
            PREDICTIONS + "transform.dense",
            PREDICTIONS + "transform.LayerNorm",
            PREDICTIONS + "bias",
            *LANGUAGE_KEYS,
        ),
        "next_sentence": HeadTable(
            POOLER | {"outputs": 2}, {"dense": ".pooler.dense", "output": "cls.seq_relationship"}
        ),
    },
    ignored_keys=frozenset(
        """directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers
        pooler_size_per_head pooler_type""".split()
    ),
    dropped=("*embeddings.position_ids",),
    copies={
        PREDICTIONS + "decoder.weight": "encoder.embedding.tokens.weight",
        PREDICTIONS + "decoder.bias": "heads.language.output.bias",
    },
)
