"""Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama with a window in every layer."""

from mason.models.families.entries import LayerTypes
from mason.models.families.heads import ANSWERING
from mason.models.families.keys import Key, with_defaults
from mason.models.families.llama import KEYS, LLAMA

MISTRAL = LLAMA.but(
    name="mistral",
    architectures={
        "MistralModel": (),
        "MistralForCausalLM": ("language",),
        "MistralForSequenceClassification": ("classification",),
        "MistralForTokenClassification": ("tagging",),
        "MistralForQuestionAnswering": ("answering",),
    },
    keys=(
        *with_defaults(
            KEYS, intermediate_size=14336, num_key_value_heads=8, max_position_embeddings=131072
        ),
        Key("sliding_window", "decoder.window", 4096, nullable=True),
        LayerTypes(lambda config, i: config.get("sliding_window", 4096) is not None, name=None),
    ),
    constants={
        "decoder.attention.bias": False,
        "decoder.attention.output_bias": False,
        "decoder.feed_forward.bias": False,
    },
    heads={"answering": ANSWERING},
)
