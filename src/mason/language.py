"""English or Chinese: every sentence a person reads goes through ``say``.

The English template is the key, as in gettext; ``messages/zh/*.json`` map it to
Chinese, one file a room. A sentence without a translation is shown in English, and a
contract test fails for it.
"""

import json
import locale
import os
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")

_chosen: str | None = None


def use(language: str | None) -> None:
    """Speak ``language`` ("en" or "zh") from now on; None goes back to the locale."""
    global _chosen
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not one of {', '.join(LANGUAGES)}")
    _chosen = language


def chosen() -> str | None:
    """The language ``use`` was last told; None if nobody has chosen."""
    return _chosen


def current() -> str:
    """The language in use: the one chosen, else ``MASON_LANG``, else the locale's."""
    return _chosen or _from_environment()


def say(template: str, /, **values: object) -> str:
    """``template`` in the language in use, with its ``{fields}`` filled."""
    translated = _catalogue().get(template, template) if current() == "zh" else template
    return translated.format(**values) if values else translated


def _from_environment() -> str:
    said = (os.environ.get(v) for v in ("MASON_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    named = next(filter(None, said), None) or locale.getlocale()[0] or ""
    return "zh" if named.lower().startswith(("zh", "chinese")) else "en"


@cache
def _catalogue() -> dict[str, str]:
    merged: dict[str, str] = {}
    for file in sorted(files("mason").joinpath("messages", "zh").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".json"):
            merged.update(json.loads(file.read_text(encoding="utf-8")))
    return merged
