"""Objectives told to hide whole words, or runs of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mason.data.corpora.store import TokenStore
from mason.errors import SettingsError
from mason.settings import Settings
from mason.tasks.pretraining import MaskedLanguage
from mason.text import Tokenizer
from mason.text.words import WordStarts, chinese_words

_LONGEST = 3
"""Words of the longest n-gram (Lan et al. 2020)."""
_CHINESE_SHARE = 0.01
"""From this share of Chinese tokens on, a corpus is worth a dictionary."""


def hide_words(
    objectives: Iterable[Any], tokenizer: Tokenizer, store: TokenStore, settings: Settings
) -> None:
    """Let masked objectives hide what ``training.mask_unit`` says.

    Raises:
        SettingsError: An objective hides nothing, or Chinese words cannot be found.
    """
    unit = settings.training.mask_unit
    if unit is None:
        return
    # An objective may hold a masked one, as ELECTRA's generator does.
    inner = [o if isinstance(o, MaskedLanguage) else getattr(o, "masked", o) for o in objectives]
    found = [o for o in inner if isinstance(o, MaskedLanguage)]
    if len(found) < len(inner):
        raise SettingsError(
            "training.mask_unit means nothing to the objective {task}; leave it out.",
            task=str(settings.task),
        )
    if unit == "token":
        return
    starts = WordStarts(tokenizer)
    if _chinese_share(store, starts) >= _CHINESE_SHARE:
        starts = WordStarts(tokenizer, chinese_words())
    for objective in found:
        objective.starts, objective.longest = starts, _LONGEST if unit == "ngram" else 1


def _chinese_share(store: TokenStore, starts: WordStarts) -> float:
    """Of a sample of the corpus, taken all over it."""
    step = max(1, len(store.tokens) // 100_000)
    return float(np.mean(starts.han[store.tokens[::step]]))
