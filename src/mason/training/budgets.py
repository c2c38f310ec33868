"""From what a run may cost to how large a model, how many tokens, which rate.

The rule: compute is 6 × parameters × tokens (Kaplan et al. 2020), and tokens are about 20 for
each parameter (Hoffmann et al. 2022), so parameters ≈ √(flops / 120), embeddings left out. A
small corpus is not read more than forty times, and no model has more parameters than its corpus
has tokens. The peak rate falls with the fourth root of the size.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from mason.errors import SettingsError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TOKENS_PER_PARAMETER = 20.0
_MOST_EPOCHS = 40.0
_STEPS = 4_000

MODERN: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "warmup_share": 0.05,
    "schedule": "wsd",
    "decay_share": 0.4,
}
"""The modern recipe beside its rate; no dropout, and where the objective hides, it hides more."""


@dataclass(frozen=True)
class Budget:
    """An amount of one thing."""

    amount: float
    unit: Literal["seconds", "tokens", "flops"]


def read_budget(text: str) -> Budget:
    """``30m``, ``5e6 tokens`` or ``1e15 flops`` as a budget; the form is checked by the schema."""
    found = re.fullmatch(r"([\d.]+(?:e\d+)?) ?(\w+)", text)
    assert found is not None, text
    amount, unit = float(found[1]), found[2]
    if unit in _SECONDS:
        return Budget(amount * _SECONDS[unit], "seconds")
    return Budget(amount, "tokens" if unit == "tokens" else "flops")


def best_size(flops: float, corpus_tokens: int) -> float:
    """Parameters, embeddings left out, that make the most of ``flops`` on a corpus."""
    size = math.sqrt(flops / (6 * _TOKENS_PER_PARAMETER))
    # More compute than a small corpus can feed goes into size, up to a parameter a token.
    least = flops / (6 * _MOST_EPOCHS * corpus_tokens)
    return min(max(size, least), float(corpus_tokens))


def num_pieces(num_parameters: float, num_bytes: int) -> int:
    """Pieces of a vocabulary for a model of this size, embeddings left out, and a corpus.

    They grow more slowly than the model (Tao et al. 2024): with the root of its size, 8,000 for
    a million parameters; and each should be seen some hundred times.
    """
    fed, held = 8_000 * math.sqrt(num_parameters / 1e6), num_bytes / 750
    return int(min(30_000, max(2_000, min(fed, held))))


def peak_rate(num_parameters: float) -> float:
    """AdamW's peak learning rate for a model of this size, embeddings left out."""
    rate: float = 2e-3 * (max(num_parameters, 1.0) / 1e6) ** -0.25
    return min(3e-3, rate)


def batch_tokens(num_tokens: float, max_tokens: int) -> int:
    """Tokens a step, so that a run has about four thousand steps; a power of two."""
    wanted = max(num_tokens / _STEPS, 8.0 * max_tokens, 1024.0)
    return int(min(2 ** round(math.log2(wanted)), 2**19))


def seconds_of(budget: str | None) -> float | None:
    """The seconds of a budget that has to be a time; None: there is none.

    Raises:
        SettingsError: It is another amount.
    """
    if budget is None:
        return None
    read = read_budget(budget)
    if read.unit != "seconds":
        raise SettingsError(
            "training.budget is {budget}, and mason train keeps to a time; write it as 20m.",
            budget=budget,
        )
    return read.amount
