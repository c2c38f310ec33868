"""How a model's rows become one vector, as sentence-transformers writes it beside the weights.

``modules.json`` names the steps, ``1_Pooling/config.json`` the pooling, and
``sentence_bert_config.json`` where texts are cut.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from mason.errors import CheckpointError
from mason.models.files.config import write_json
from mason.models.files.strict_json import parse_json, read_json

MODULES = "modules.json"
_LIMIT = "sentence_bert_config.json"
_PREFIX = "sentence_transformers.models."
_FOLDERS = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
_MODES = {"mean": "mean_tokens", "first": "cls_token", "last": "lasttoken"}
_NEWER = {"mean": "mean", "first": "cls", "last": "lasttoken"}
_ALL_MODES = (*_MODES.values(), "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")

Pooling = Literal["mean", "first", "last"]


class PoolingFiles(NamedTuple):
    """What the files say; ``max_tokens`` None: nothing."""

    pooling: Pooling
    normalise: bool
    max_tokens: int | None


def read_pooling(folder: Path) -> PoolingFiles | None:
    """What the files beside a model say; None where there are none.

    Raises:
        CheckpointError: They ask for a step or a pooling that Mason does not compute.
    """
    if not (folder / MODULES).is_file():
        return None
    # It is a list, and what is read so strictly are objects.
    text = (folder / MODULES).read_bytes()
    steps: Any = parse_json(b'{"steps": ' + text + b"}", folder / MODULES)["steps"]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        steps = []
    kinds = [str(step.get("type", "")).rpartition(".")[2] for step in steps]
    if kinds[:2] != ["Transformer", "Pooling"] or not set(kinds) <= set(_FOLDERS):
        raise CheckpointError(
            "{file} asks for the steps {steps}; Mason computes Transformer, Pooling and Normalize.",
            file=folder / MODULES,
            steps=", ".join(kinds),
        )
    config = read_json(folder / str(steps[1].get("path", "")) / "config.json")
    limit = folder / _LIMIT
    most = read_json(limit).get("max_seq_length") if limit.is_file() else None
    return PoolingFiles(
        _pooling(config, folder), "Normalize" in kinds, most if type(most) is int else None
    )


def _pooling(config: dict[str, Any], folder: Path) -> Pooling:
    chosen = [mode for mode in _ALL_MODES if config.get(f"pooling_mode_{mode}")]
    newer = config.get("pooling_mode")
    for name in ("mean", "first", "last"):
        if chosen == [_MODES[name]] or (not chosen and newer == _NEWER[name]):
            return name
    raise CheckpointError(
        "{folder}: its pooling is {modes}, which Mason does not compute; it knows {known}.",
        folder=folder,
        modes=", ".join(chosen) or newer,
        known=", ".join(_MODES.values()),
    )


def write_pooling(folder: Path, told: PoolingFiles, width: int) -> None:
    """Write the files beside a model whose vectors have this width."""
    steps = [name for name in _FOLDERS if name != "Normalize" or told.normalise]
    modules = [
        {"idx": i, "name": str(i), "path": _FOLDERS[name], "type": _PREFIX + name}
        for i, name in enumerate(steps)
    ]
    write_json(folder / MODULES, modules)
    (folder / _FOLDERS["Pooling"]).mkdir()
    modes = {f"pooling_mode_{mode}": mode == _MODES[told.pooling] for mode in _ALL_MODES}
    told_of = {"word_embedding_dimension": width, **modes}
    write_json(folder / _FOLDERS["Pooling"] / "config.json", told_of)
    write_json(folder / _LIMIT, {"max_seq_length": told.max_tokens, "do_lower_case": False})
