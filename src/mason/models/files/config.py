"""``config.json``: read as data that never votes on running code."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError
from mason.models.files.folders import inside
from mason.models.files.strict_json import read_json

# "owner/repo--module.Class": how transformers points at code in another repository.
_REMOTE_CODE = re.compile(r"--\w+(\.\w+)+$")
_MAX_CONFIG_BYTES = 4 * 2**20
_FAMILIES = {"config.json": {}, "bert_config.json": {"model_type": "bert"}}
"""Files of settings, and what the name of one says that the file does not."""


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in ``folder``'s ``config.json``, or in the file that Google's BERT has for it.

    Raises:
        CheckpointError: no such file, not strict JSON, or a key that asks for code
            (``auto_map``, ``trust_remote_code``, ``*_internal``, a kernel or class of
            another repository; CVE-2026-4372, CVE-2026-22807).
    """
    name = next((n for n in _FAMILIES if (folder / n).is_file()), "config.json")
    path = inside(folder, name)
    config = read_json(path, max_bytes=_MAX_CONFIG_BYTES)
    refuse_code(config, path)
    return _FAMILIES.get(name, {}) | config


def refuse_code(config: Mapping[str, Any], path: Path) -> None:
    """Refuse settings, read from ``path``, that ask for code.

    Raises:
        CheckpointError: a key at any depth does.
    """
    for key, value in _items(config):
        if _asks_for_code(key, value):
            raise CheckpointError(
                "{file}: the key {key} asks for code from outside, which Mason never runs; "
                "delete the key if the model belongs to a family Mason knows, else do not use "
                "this model.",
                file=path,
                key=repr(key),
            )


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` so that equal values give equal bytes."""
    path.write_bytes(json_bytes(value))


def json_bytes(value: object) -> bytes:
    """``value`` as a file holds it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _asks_for_code(key: str, value: object) -> bool:
    if key in ("auto_map", "trust_remote_code") or key.endswith("_internal"):
        return True
    if not isinstance(value, str):
        return False
    kernel = key.endswith("attn_implementation") and "/" in value
    return kernel or _REMOTE_CODE.search(value) is not None


def _items(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every key and value at any depth; the items of a list count under the list's key."""
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield k, v
            yield from _items(v, k)
    elif isinstance(value, list):
        for v in value:
            yield key, v
            yield from _items(v, key)
