"""T5 and its version 1.1 (Raffel et al. 2020, arXiv:1910.10683)."""

from mason.models.families.family import Family, HeadTable
from mason.models.families.keys import Fixed, Key, Spread, like
from mason.models.families.weights import ByParts, concat

OURS, THEIRS = "{stack}.layers.{i}.", ".{stack}.block.{i}.layer."
CROSSING = THEIRS + "1.EncDecAttention."


def both(path: str) -> tuple[str, str]:
    """The same path in the encoder and the decoder."""
    return f"encoder.{path}", f"decoder.{path}"


T5 = Family(
    name="t5",
    architectures={
        "T5Model": (),
        "T5ForConditionalGeneration": ("language",),
        "T5ForSequenceClassification": ("classification",),
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
        Key(
            "dropout_rate",
            tuple(
                path
                for part in ("attention", "feed_forward", "embedding")
                for path in both(f"{part}.dropout")
            )
            + both("dropout")
            + both("final_dropout"),
            0.1,
        ),
        Key("layer_norm_epsilon", both("norm.epsilon"), 1e-6),
        Spread(
            "feed_forward_proj",
            (*both("feed_forward.activation"), *both("feed_forward.gated")),
            "relu",
            {
                "relu": ("relu", "relu", False, False),
                "gated-gelu": ("gelu_tanh", "gelu_tanh", True, True),
                "gated-silu": ("silu", "silu", True, True),
            },
        ),
        Fixed("is_encoder_decoder", (True,)),
        Fixed("is_decoder", (False,)),
    ),
    constants={
        path: value
        for name, value in {
            "norm.kind": "rms",
            "placement": "pre",
            "final_norm": True,
            "attention.scale": 1.0,
            "attention.bias": False,
            "attention.output_bias": False,
            "feed_forward.bias": False,
        }.items()
        for path in both(name)
    }
    | {"decoder.causal": True, "decoder.cross": True},
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
    }
    | {
        f"{stack}.layers.{{i}}.feed_forward.{ours}": theirs
        for stack, at in (
            ("encoder", ".encoder.block.{i}.layer.1."),
            ("decoder", ".decoder.block.{i}.layer.2."),
        )
        for ours, theirs in {
            "before": at + "layer_norm",
            "block.input": ByParts(
                (at + "DenseReluDense.wi", concat(at + "DenseReluDense.wi_{}", "0", "1"))
            ),
            "block.output": at + "DenseReluDense.wo",
        }.items()
    },
    heads={
        "language": HeadTable(
            {"bias": False},
            {"heads.language.output": "lm_head"},
            (
                Key("tie_word_embeddings", "heads.language.tied", True),
                Key(
                    "scale_decoder_outputs",
                    "heads.language.scale",
                    like("tie_word_embeddings", True),
                ),
            ),
        ),
        "classification": HeadTable(
            {"pool": "last", "dense": True, "activation": "tanh"},
            {
                "heads.classification.dense": "classification_head.dense",
                "heads.classification.output": "classification_head.out_proj",
            },
            (
                Key(
                    "classifier_dropout",
                    ("heads.classification.input_dropout", "heads.classification.dropout"),
                    0.0,
                ),
            ),
            prefix="transformer.",
        ),
    },
    ignored_keys=frozenset({"initializer_factor", "dense_act_fn", "is_gated_act", "n_positions"}),
    copies={
        ".encoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
        ".decoder.embed_tokens.weight": "encoder.embedding.tokens.weight",
        "lm_head.weight": "heads.language.output.weight",
    },
)
