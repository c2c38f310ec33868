"""Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671)."""

from mason.models.families.entries import LayerTypes
from mason.models.families.keys import Key, Switch, with_defaults
from mason.models.families.llama import KEYS, LLAMA

WINDOWS = (
    Switch("use_sliding_window", Key("sliding_window", "decoder.window", 4096)),
    LayerTypes(
        lambda config, i: (
            bool(config.get("use_sliding_window")) and i >= config.get("max_window_layers", 28)
        )
    ),
)

QWEN2 = LLAMA.but(
    name="qwen2",
    special={"bos_token_id": None, "eos_token_id": None},
    architectures={
        "Qwen2Model": (),
        "Qwen2ForCausalLM": ("language",),
        "Qwen2ForSequenceClassification": ("classification",),
        "Qwen2ForTokenClassification": ("tagging",),
        "Qwen2ForQuestionAnswering": ("answering",),
    },
    keys=with_defaults(
        (*KEYS, *WINDOWS),
        vocab_size=151936,
        intermediate_size=22016,
        num_key_value_heads=32,
        max_position_embeddings=32768,
    ),
    constants={
        "decoder.attention.bias": True,
        "decoder.attention.output_bias": False,
        "decoder.feed_forward.bias": False,
    },
    ignored_keys=frozenset({"max_window_layers"}),  # the rule above reads it
)
