"""Which files of a model repository are worth having, and whether a folder has them.

Weights are safetensors (or GGUF where asked), everything else is JSON or tokenizer
data. Pickle (``*.bin``, ``*.pt``, ``*.ckpt``) and code (``*.py``) are never fetched.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from mason.errors import SourceError

CONFIGURATION = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "mason.json",
    "spelling.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.spm",
    "modules.json",
    "sentence_bert_config.json",
)
POOLING = "1_Pooling/config.json"
"""How sentence-transformers makes one vector of a text."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
INDEX = "model.safetensors.index.json"


def chosen_files(model: str, names: Iterable[str]) -> list[str]:
    """The files to fetch of a repository that holds ``names``.

    Raises:
        SourceError: the repository has no safetensors weights.
    """
    given = list(names)
    top = sorted(name for name in given if "/" not in name)
    pooling = [POOLING] if POOLING in given else []
    weights = _matching(top, ("model*.safetensors", INDEX))
    weights = weights or _matching(top, ("*.safetensors", "*.safetensors.index.json"))
    if weights:
        return _matching(top, CONFIGURATION) + pooling + weights
    if ggufs := _matching(top, ("*.gguf",)):
        raise SourceError(
            "{model} holds GGUF files; name the one you want, such as {example}.",
            model=model,
            example=f"{model}/{ggufs[0]}",
        )
    if pickles := _matching(top, PICKLES):
        raise SourceError(
            "{model} has its weights only as {file}, a format that can run code when it is "
            "opened; look for a revision or a copy with model.safetensors, or convert it "
            "on a machine you can spare.",
            model=model,
            file=pickles[0],
        )
    raise SourceError("{model} holds no model weights; check the name.", model=model)


def is_complete(folder: Path) -> bool:
    """Whether a folder has a configuration and every weight file it speaks of."""
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return False
    index = folder / INDEX
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        return False
    return all((folder / shard).is_file() for shard in shards)


def _matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
