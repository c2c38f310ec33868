"""Llama 2 and 3 (Touvron et al. 2023, arXiv:2307.09288), and SmolLM, which is one."""

from dataclasses import replace

from mason.models.families.entries import Rope
from mason.models.families.family import Family
from mason.models.families.heads import ANSWERING, SCORE, TAGGING, language
from mason.models.families.keys import ACTIVATION, Key
from mason.models.families.weights import concat

LAYER, THEIRS = "decoder.layers.{i}.", ".layers.{i}."
BIAS = Key("attention_bias", ("decoder.attention.bias", "decoder.attention.output_bias"), False)
KEYS = (
    Key("vocab_size", "decoder.embedding.vocab_size", 32000),
    Key("hidden_size", "width", 4096),
    Key("num_hidden_layers", "decoder.depth", 32),
    Key("num_attention_heads", "decoder.attention.num_heads", 32),
    Key("num_key_value_heads", "decoder.attention.num_kv_heads"),
    Key("head_dim", "decoder.attention.head_width"),
    Key("intermediate_size", "decoder.feed_forward.width", 11008),
    Key("hidden_act", "decoder.feed_forward.activation", "silu", ACTIVATION),
    Key("max_position_embeddings", "decoder.embedding.num_positions", 2048),
    Key("initializer_range", "initial_std", 0.02),
    Key("rms_norm_eps", "decoder.norm.epsilon", 1e-6),
    Key("attention_dropout", "decoder.attention.dropout", 0.0),
    Rope("decoder.attention.rotary"),
)

LLAMA = Family(
    name="llama",
    prefix="model.",
    special={"bos_token_id": 1, "eos_token_id": 2},
    architectures={
        "LlamaModel": (),
        "LlamaForCausalLM": ("language",),
        "LlamaForSequenceClassification": ("classification",),
        "LlamaForTokenClassification": ("tagging",),
        "LlamaForQuestionAnswering": ("answering",),
    },
    keys=(*KEYS, BIAS, Key("mlp_bias", "decoder.feed_forward.bias", False)),
    constants={
        "decoder.causal": True,
        "decoder.placement": "pre",
        "decoder.final_norm": True,
        "decoder.norm.kind": "rms",
        "decoder.feed_forward.gated": True,
    },
    weights={
        "decoder.embedding.tokens": ".embed_tokens",
        LAYER + "attention.before": THEIRS + "input_layernorm",
        LAYER + "attention.block.query_key_value": concat(
            THEIRS + "self_attn.{}_proj", "q", "k", "v"
        ),
        LAYER + "attention.block.output": THEIRS + "self_attn.o_proj",
        LAYER + "feed_forward.before": THEIRS + "post_attention_layernorm",
        LAYER + "feed_forward.block.input": concat(THEIRS + "mlp.{}_proj", "gate", "up"),
        LAYER + "feed_forward.block.output": THEIRS + "mlp.down_proj",
        "decoder.norm": ".norm",
    },
    heads={
        "language": language(False),
        "classification": SCORE,
        "tagging": TAGGING,
        "answering": replace(ANSWERING, prefix="transformer."),
    },
    ignored_keys=frozenset({"pretraining_tp"}),
    dropped=("*rotary_emb.inv_freq",),
    copies={"lm_head.weight": "heads.language.output.weight"},
)
