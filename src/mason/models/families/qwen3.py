"""Qwen3 (Yang et al. 2025, arXiv:2505.09388): norms on queries and keys."""

from mason.models.families.keys import Key, with_defaults
from mason.models.families.llama import BIAS, LAYER, THEIRS
from mason.models.families.qwen2 import QWEN2

QWEN3 = QWEN2.but(
    name="qwen3",
    architectures={
        "Qwen3Model": (),
        "Qwen3ForCausalLM": ("language",),
        "Qwen3ForSequenceClassification": ("classification",),
        "Qwen3ForTokenClassification": ("tagging",),
        "Qwen3ForQuestionAnswering": ("answering",),
    },
    keys=(
        *with_defaults(QWEN2.keys, head_dim=128),
        BIAS,
        Key("rms_norm_eps", "decoder.attention.query_key_norm.epsilon", 1e-6),
    ),
    constants={"decoder.attention.query_key_norm.kind": "rms"},
    weights={
        LAYER + "attention.block.query_norm": THEIRS + "self_attn.q_norm",
        LAYER + "attention.block.key_norm": THEIRS + "self_attn.k_norm",
    },
)
