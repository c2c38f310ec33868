"""Families of models as tables: adding one adds a file here and a line below."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError
from mason.models.families.albert import ALBERT
from mason.models.families.bart import BART
from mason.models.families.bert import BERT
from mason.models.families.distilbert import DISTILBERT
from mason.models.families.electra import ELECTRA
from mason.models.families.family import Family
from mason.models.families.gemma2 import GEMMA2
from mason.models.families.gemma3 import GEMMA3
from mason.models.families.gguf import from_gguf, to_gguf
from mason.models.families.gpt2 import GPT2
from mason.models.families.gpt_neo import GPT_NEO
from mason.models.families.llama import LLAMA
from mason.models.families.marian import MARIAN
from mason.models.families.mistral import MISTRAL
from mason.models.families.modernbert import MODERNBERT
from mason.models.families.qwen2 import QWEN2
from mason.models.families.qwen3 import QWEN3
from mason.models.families.roberta import ROBERTA
from mason.models.families.t5 import T5
from mason.models.families.tensorflow import from_tensorflow

__all__ = ["FAMILIES", "Family", "find_family", "from_gguf", "from_tensorflow", "to_gguf"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        BERT,
        ROBERTA,
        DISTILBERT,
        ELECTRA,
        ALBERT,
        MODERNBERT,
        GPT2,
        GPT_NEO,
        LLAMA,
        MISTRAL,
        QWEN2,
        QWEN3,
        GEMMA2,
        GEMMA3,
        T5,
        BART,
        MARIAN,
    )
}


def find_family(config: Mapping[str, Any], path: Path) -> Family:
    """The family of a config by its ``model_type``.

    Raises:
        CheckpointError: The config names none, or one Mason does not know.
    """
    name = config.get("model_type")
    if isinstance(name, str) and name in FAMILIES:
        return FAMILIES[name]
    near = get_close_matches(str(name), FAMILIES, n=1)
    raise CheckpointError(
        "{path}: the model_type {name!r} is not a family Mason knows{near}; it knows {known}.",
        path=path,
        name=name,
        near=f" ({near[0]}?)" if near else "",
        known=", ".join(FAMILIES),
    )
