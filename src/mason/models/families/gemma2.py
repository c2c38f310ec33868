"""Gemma 2 (Gemma Team 2024, arXiv:2408.00118)."""

from mason.models.families.entries import LayerTypes, every
from mason.models.families.heads import language
from mason.models.families.keys import ACTIVATION, Fixed, Key, Names, with_defaults
from mason.models.families.llama import BIAS, KEYS, LAYER, LLAMA, THEIRS

# transformers reads only the newer name and ignores the older, hidden_act.
GELU = Names({"gelu_pytorch_tanh": "gelu_tanh", **ACTIVATION.pairs})
COMMON = (
    *(key for key in KEYS if key.names != ("hidden_act",)),
    Key("hidden_activation", "decoder.feed_forward.activation", "gelu_pytorch_tanh", GELU),
    BIAS,
    Key("query_pre_attn_scalar", "decoder.attention.scale_base", 256),
    Key("sliding_window", "decoder.window", 4096),
    Fixed("use_bidirectional_attention", (None, False)),
)
CAP = Key("final_logit_softcapping", "softcap", 30.0, nullable=True)
SHAPE = {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216}
SHAPE |= {"num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4}
SHAPE |= {"head_dim": 256, "max_position_embeddings": 8192}

GEMMA2 = LLAMA.but(
    name="gemma2",
    special={"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1},
    architectures={
        "Gemma2Model": (),
        "Gemma2ForCausalLM": ("language",),
        "Gemma2ForSequenceClassification": ("classification",),
        "Gemma2ForTokenClassification": ("tagging",),
    },
    keys=(
        *with_defaults(COMMON, **SHAPE),
        Key("attn_logit_softcapping", "decoder.attention.softcap", 50.0, nullable=True),
        LayerTypes(every(2)),
    ),
    constants={
        "decoder.placement": "sandwich",
        "decoder.norm.unit_offset": True,
        "decoder.embedding.scale": True,
        "decoder.feed_forward.bias": False,
    },
    weights={
        LAYER + "attention.after": THEIRS + "post_attention_layernorm",
        LAYER + "feed_forward.before": THEIRS + "pre_feedforward_layernorm",
        LAYER + "feed_forward.after": THEIRS + "post_feedforward_layernorm",
    },
    heads={"language": language(True, CAP), "answering": None},
    ignored_keys=frozenset({"hidden_act"}),
)
