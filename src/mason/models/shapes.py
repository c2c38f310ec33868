"""Shapes of published models by name, for a look at what one would cost: no weights."""

from typing import Any

_GPT3 = {
    "gpt3-125m": (12, 768, 12),
    "gpt3-350m": (24, 1024, 16),
    "gpt3-760m": (24, 1536, 16),
    "gpt3-1.3b": (24, 2048, 16),
    "gpt3-2.7b": (32, 2560, 32),
    "gpt3-6.7b": (32, 4096, 32),
    "gpt3-13b": (40, 5120, 40),
    "gpt3-175b": (96, 12288, 96),
}
"""Layers, width and heads of Brown et al. 2020, table 2.1. Two rows of it do not multiply out:
24 heads of 128 in a width of 2048, and a width of 5140 in 40 heads; 16 and 5120 are meant."""


def shape_config(name: str) -> dict[str, Any] | None:
    """The Hugging Face config of a named shape; None if no shape has this name."""
    if name not in _GPT3:
        return None
    depth, width, heads = _GPT3[name]
    shape = {"n_layer": depth, "n_embd": width, "n_head": heads}
    return {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 2048, **shape}


def shape_names() -> tuple[str, ...]:
    """Every name there is."""
    return tuple(_GPT3)
