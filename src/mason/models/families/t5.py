"""T5 and its version 1.1 (Raffel et al. 2020, arXiv:1910.10683)."""

from dataclasses import replace

from mason.models.families.family import Family
from mason.models.families.heads import ANSWERING, SHARED, dense_classification, language, tagging
from mason.models.families.keys import Fixed, Key, Spread, Stacks, both, like
from mason.models.families.weights import ByParts, Table, concat

OURS, THEIRS = "{stack}.layers.{i}.", ".{stack}.block.{i}.layer."
CROSSING = THEIRS + "1.EncDecAttention."
DROPOUTS = ("attention.dropout", "feed_forward.dropout", "embedding.dropout")
NO_BIASES = ("attention.bias", "attention.output_bias", "feed_forward.bias")
ACTIVATIONS = {
    "relu": ("relu", "relu", False, False),
    "gated-gelu": ("gelu_tanh", "gelu_tanh", True, True),
    "gated-silu": ("silu", "silu", True, True),
}
GATES = both("feed_forward.activation", "feed_forward.gated")
SCALE = Key("scale_decoder_outputs", "scale", like("tie_word_embeddings", True))


def _feed_forward(stack: str, theirs: str) -> Table:
    ours = stack + ".layers.{i}.feed_forward."
    inner = theirs + "DenseReluDense."
    return {
        ours + "before": theirs + "layer_norm",
        ours + "block.input": ByParts((inner + "wi", concat(inner + "wi_{}", "0", "1"))),
        ours + "block.output": inner + "wo",
    }


T5 = Family(
    name="t5",
    special={"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0},
    architectures={
        "T5Model": (),
        "T5ForConditionalGeneration": ("language",),
        "T5ForSequenceClassification": ("classification",),
        "T5ForTokenClassification": ("tagging",),
        "T5ForQuestionAnswering": ("answering",),
    },
    keys=(
        Key("vocab_size", both("embedding.vocab_size"), 32128),
        Key("d_model", "width", 512),
        Key("d_kv", both("attention.head_width"), 64),
        Key("d_ff", both("feed_forward.width"), 2048),
        Key("num_layers", "encoder.depth", 6),
        Key("num_decoder_layers", "decoder.depth", like("num_layers", 6)),
        Key("num_heads", both("attention.num_heads"), 8),
        Key("relative_attention_num_buckets", both("relative.num_buckets"), 32),
        Key("relative_attention_max_distance", both("relative.max_distance"), 128),
        Key("dropout_rate", both("dropout", "final_dropout", *DROPOUTS), 0.1),
        Key("layer_norm_epsilon", both("norm.epsilon"), 1e-6),
        Spread("feed_forward_proj", GATES, "relu", ACTIVATIONS),
        Stacks("is_encoder_decoder"),
        Fixed("is_decoder", (False,)),
    ),
    constants=dict.fromkeys(("decoder.causal", "decoder.cross", *both("final_norm")), True)
    | dict.fromkeys(both("norm.kind"), "rms")
    | dict.fromkeys(both("placement"), "pre")
    | dict.fromkeys(both("attention.scale"), 1.0)
    | dict.fromkeys(both(*NO_BIASES), False),
    weights={
        "encoder.embedding.tokens": ".shared",
        "{stack}.relative": ".{stack}.block.0.layer.0.SelfAttention.relative_attention_bias",
        OURS + "attention.before": THEIRS + "0.layer_norm",
        OURS + "attention.block.query_key_value": concat(THEIRS + "0.SelfAttention.{}", *"qkv"),
        OURS + "attention.block.output": THEIRS + "0.SelfAttention.o",
        OURS + "cross_attention.before": THEIRS + "1.layer_norm",
        OURS + "cross_attention.block.query": CROSSING + "q",
        OURS + "cross_attention.block.key_value": concat(CROSSING + "{}", "k", "v"),
        OURS + "cross_attention.block.output": CROSSING + "o",
        "{stack}.norm": ".{stack}.final_layer_norm",
        **_feed_forward("encoder", ".encoder.block.{i}.layer.1."),
        **_feed_forward("decoder", ".decoder.block.{i}.layer.2."),
    },
    heads={
        "language": language(True, SCALE),
        "classification": dense_classification(prefix="transformer."),
        "tagging": replace(
            tagging(Key("classifier_dropout", "dropout", 0.0)),
            prefix="transformer.",
            encoder_alone=True,
        ),
        "answering": ANSWERING,
    },
    ignored_keys=frozenset({"initializer_factor", "dense_act_fn", "is_gated_act", "n_positions"}),
    copies=SHARED,
)
