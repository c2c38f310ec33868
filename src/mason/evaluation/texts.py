"""Written texts beside the wanted ones, as everything a report says of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mason.metrics.texts import Measure, TextScores

WORST = 10
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")


def lead_sentence(text: str) -> str:
    """The first sentence of a text, what a summary has to beat."""
    return _SENTENCE.split(text.strip(), maxsplit=1)[0]


def judge_texts(
    sources: Sequence[str],
    written: Sequence[str],
    wanted: Sequence[str],
    measure: Measure,
    *,
    rivals: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Scores, the worst rows, and what simpler ways to write score on the same rows.

    Args:
        sources: What was read.
        written: What the model wrote.
        wanted: What it should have written.
        measure: From written and wanted texts to scores.
        rivals: What others wrote, by their names.

    Returns:
        ``scores``, ``signatures``, ``errors`` with the places of the rows as ``place``, and
        ``baselines``.
    """
    told = measure(written, wanted)
    worst = [int(i) for i in np.argsort(told.each, kind="stable")[:WORST] if told.each[i] < 1]
    return {
        "scores": _plain(told),
        "signatures": told.signatures,
        "errors": [
            {
                "place": i,
                "text": sources[i],
                "label": wanted[i],
                "predicted": written[i],
                "score": float(told.each[i]),
            }
            for i in worst
        ],
        "baselines": [
            {"name": name, "scores": _plain(measure(texts, wanted))}
            for name, texts in rivals.items()
        ],
    }


def _plain(told: TextScores) -> dict[str, Any]:
    return {name: asdict(score) for name, score in told.overall.items()}
