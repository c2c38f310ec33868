"""Entries for ``torch.hub.load``: well-known models as classifiers, ready to be fine-tuned.

    model = torch.hub.load("path/to/mason", "bert-base-uncased", source="local")

Every entry takes ``weights``: a folder, or any other name ``mason`` knows, to read instead of
the hub's; the environment variable MASON_HUB_WEIGHTS does the same.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mason.models.padded import PaddedModel

dependencies = ["jaxtyping", "numpy", "safetensors", "torch"]

NAMES = (
    "bert-base-uncased",
    "bert-base-cased",
    "bert-base-chinese",
    "bert-large-uncased",
    "roberta-base",
    "distilbert-base-uncased",
    "albert-base-v2",
    "google/electra-small-discriminator",
    "answerdotai/ModernBERT-base",
    "all-MiniLM-L6-v2",
)


def _entry(name: str) -> Callable[..., "PaddedModel"]:
    def load(weights: str | None = None) -> "PaddedModel":
        # torch.hub fetches a repository without installing it.
        source = str(Path(__file__).resolve().parent / "src")
        if source not in sys.path:
            sys.path.insert(0, source)
        from mason.models.padded import PaddedModel
        from mason.sources import find_model

        return PaddedModel.load(find_model(weights or os.environ.get("MASON_HUB_WEIGHTS") or name))

    load.__name__ = name.rpartition("/")[2].replace("-", "_")
    load.__doc__ = f"{name} with a classification head; ``weights`` names other weights."
    return load


for _name in NAMES:
    _load = _entry(_name)
    # Under the hub's name, and under one that Python can spell.
    globals()[_name.rpartition("/")[2]] = globals()[_load.__name__] = _load
