"""BART (Lewis et al. 2020, arXiv:1910.13461)."""

from mason.models.families.family import Family, HeadTable
from mason.models.families.heads import ANSWERING, SHARED, dense_classification
from mason.models.families.keys import ACTIVATION, Entry, Fixed, Key, both, fixed
from mason.models.families.weights import Row, concat

LAYER, THEIRS = "{stack}.layers.{i}.", ".{stack}.layers.{i}."
CROSSING = THEIRS + "encoder_attn."
KEYS: tuple[Entry, ...] = (
    Key("vocab_size", "encoder.embedding.vocab_size", 50265),
    Key("d_model", "width", 1024),
    Key("encoder_layers", "encoder.depth", 12),
    Key("decoder_layers", "decoder.depth", 12),
    Key("encoder_attention_heads", "encoder.attention.num_heads", 16),
    Key("decoder_attention_heads", "decoder.attention.num_heads", 16),
    Key("encoder_ffn_dim", "encoder.feed_forward.width", 4096),
    Key("decoder_ffn_dim", "decoder.feed_forward.width", 4096),
    Key("activation_function", both("feed_forward.activation"), "gelu", ACTIVATION),
    Key("max_position_embeddings", both("embedding.num_positions"), 1024),
    Key("scale_embedding", both("embedding.scale"), False),
    Key("dropout", both("dropout", "embedding.dropout"), 0.1),
    Key("attention_dropout", both("attention.dropout"), 0.0),
    Key("activation_dropout", both("feed_forward.dropout"), 0.0),
    Key("init_std", "initial_std", 0.02),
    Fixed("is_encoder_decoder", (True,)),
    Fixed("is_decoder", (False,)),
    # Older configs say these, newer ones take them for granted: None is left out.
    *fixed((None, False), "normalize_before", "add_final_layer_norm", "add_bias_logits"),
)
"""What Marian reads too."""
LANGUAGE = HeadTable(
    {},
    {"output.bias": Row("final_logits_bias"), "output": "lm_head"},
    (Key("tie_word_embeddings", "tied", True),),
)

BART = Family(
    name="bart",
    prefix="model.",
    special={"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2},
    architectures={
        "BartModel": (),
        "BartForConditionalGeneration": ("language",),
        "BartForSequenceClassification": ("classification",),
        "BartForQuestionAnswering": ("answering",),
    },
    keys=(
        *KEYS,
        Key("vocab_size", "decoder.embedding.vocab_size", 50265),
        Key("tie_word_embeddings", "share_embeddings", True),
        Fixed("normalize_embedding", (None, True)),
        Fixed("static_position_embeddings", (None, False)),
    ),
    constants={"decoder.causal": True, "decoder.cross": True}
    | dict.fromkeys(both("embedding.positions"), "learned")
    | dict.fromkeys(both("embedding.position_offset"), 2)
    | dict.fromkeys(both("embedding.norm.kind"), "layer"),
    weights={
        "encoder.embedding.tokens": ".shared",
        "{stack}.embedding.positions": ".{stack}.embed_positions",
        "{stack}.embedding.norm": ".{stack}.layernorm_embedding",
        LAYER + "attention.block.query_key_value": concat(
            THEIRS + "self_attn.{}_proj", "q", "k", "v"
        ),
        LAYER + "attention.block.output": THEIRS + "self_attn.out_proj",
        LAYER + "attention.outside": THEIRS + "self_attn_layer_norm",
        LAYER + "cross_attention.block.query": CROSSING + "q_proj",
        LAYER + "cross_attention.block.key_value": concat(CROSSING + "{}_proj", "k", "v"),
        LAYER + "cross_attention.block.output": CROSSING + "out_proj",
        LAYER + "cross_attention.outside": THEIRS + "encoder_attn_layer_norm",
        LAYER + "feed_forward.block.input": THEIRS + "fc1",
        LAYER + "feed_forward.block.output": THEIRS + "fc2",
        LAYER + "feed_forward.outside": THEIRS + "final_layer_norm",
    },
    heads={
        "language": LANGUAGE,
        "classification": dense_classification(),
        "answering": ANSWERING,
    },
    aliases={"hidden_size": "d_model", "num_hidden_layers": "encoder_layers"}
    | {"num_attention_heads": "encoder_attention_heads"},
    # LayerDrop (Fan et al. 2020) skips layers in training only; Mason trains every layer.
    ignored_keys=frozenset({"encoder_layerdrop", "decoder_layerdrop", "classif_dropout"}),
    dropped=("*shared.weight",),
    copies=SHARED,
    unshared={"{stack}.embedding.tokens": ".{stack}.embed_tokens"},
)
