"""Gemma 3, text only (Gemma Team 2025, arXiv:2503.19786)."""

from mason.models.families.entries import LayerTypes, Rope, every
from mason.models.families.gemma2 import CAP, COMMON, GEMMA2, SHAPE
from mason.models.families.heads import language
from mason.models.families.keys import Fixed, Key, with_defaults
from mason.models.families.llama import LAYER, THEIRS

GEMMA3 = GEMMA2.but(
    name="gemma3_text",
    architectures={
        "Gemma3TextModel": (),
        "Gemma3ForCausalLM": ("language",),
        "Gemma3TextForSequenceClassification": ("classification",),
    },
    keys=(
        *(
            entry
            for entry in with_defaults(
                COMMON, **SHAPE | {"vocab_size": 262208, "max_position_embeddings": 131072}
            )
            if not isinstance(entry, Rope)
        ),
        Rope("decoder.attention.rotary", 1e6, kind="full_attention"),
        Rope("decoder.local_rotary", kind="sliding_attention", old_theta="rope_local_base_freq"),
        Key("rms_norm_eps", "decoder.attention.query_key_norm.epsilon", 1e-6),
        Fixed("attn_logit_softcapping", (None,)),
        LayerTypes(every(6, "sliding_window_pattern")),
    ),
    constants={
        "decoder.attention.query_key_norm.kind": "rms",
        "decoder.attention.query_key_norm.unit_offset": True,
    },
    weights={
        LAYER + "attention.block.query_norm": THEIRS + "self_attn.q_norm",
        LAYER + "attention.block.key_norm": THEIRS + "self_attn.k_norm",
    },
    heads={
        "language": language(True, *with_defaults((CAP,), final_logit_softcapping=None)),
        "tagging": None,
    },
    # The rule for layer types reads the pattern.
    ignored_keys=frozenset({"sliding_window_pattern", "_sliding_window_pattern"}),
)
