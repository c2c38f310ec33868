"""How published models were pretrained: their schedules, by the names of their shapes.

Batches and lengths of run are a budget's, not a paper's; rate, schedule and decay are as
published. Where a paper's optimiser or schedule is not among ours, ``unlike`` says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mason.language import say


@dataclass(frozen=True)
class Published:
    """One model's pretraining.

    Attributes:
        paper: Where it is described.
        tokens_per_batch: Tokens of a step, as published.
        num_steps: Steps, as published.
        recipe: Fields of ``Recipe``.
        mask_rate: Share of the tokens that was hidden or corrupted; None: none was.
        unlike: What differs from the paper here.
    """

    paper: str
    tokens_per_batch: int
    num_steps: int
    recipe: Mapping[str, Any]
    mask_rate: float | None = None
    unlike: Callable[[], str] | None = None


def _adamw(rate: float, decay: float, warmup: float, schedule: str) -> dict[str, Any]:
    return {
        "learning_rate": rate,
        "weight_decay": decay,
        "warmup_share": warmup,
        "schedule": schedule,
    }


def _gpt3(rate: float, batch: int) -> Published:
    steps = round(300e9 / batch)
    recipe = _adamw(rate, 0.1, 375e6 / 300e9, "cosine")
    return Published("Brown et al. 2020, table 2.1", batch, steps, recipe)


_BERT = Published(
    "Devlin et al. 2019, app. A.2", 256 * 512, 1_000_000, _adamw(1e-4, 0.01, 0.01, "linear"), 0.15
)
_ELECTRA = "Clark et al. 2020, table 6"
_GPT2 = Published(
    "Radford et al. 2018 and 2019",
    512 * 1024,
    100_000,
    _adamw(2.5e-4, 0.01, 0.02, "cosine"),
    unlike=lambda: say("GPT-2's rate and steps are not published; the rate is that of GPT"),
)
_T5 = Published(
    "Raffel et al. 2020, sect. 3.1.2",
    128 * 512,
    2**19,
    _adamw(1e-2, 0.0, 0.0, "constant") | {"optimizer": "adafactor"},
    0.15,
    lambda: say("its rate falls with the inverse root of the steps after the first 10,000"),
)
_BART = Published("Lewis et al. 2020", 8000 * 512, 500_000, _adamw(4e-4, 0.01, 0.02, "linear"), 0.3)
_LLAMA = Published("Touvron et al. 2023", 4_000_000, 250_000, _adamw(3e-4, 0.1, 0.008, "cosine"))
_MODERNBERT = Published(
    "Warner et al. 2024, table 3",
    4_718_592,
    360_000,
    _adamw(8e-4, 1e-5, 0.002, "wsd"),
    0.3,
    lambda: say("StableAdamW, and batches that grow"),
)
_ALBERT = Published(
    "Lan et al. 2020",
    4096 * 512,
    125_000,
    _adamw(1.76e-3, 0.01, 0.025, "linear"),
    0.15,
    lambda: say("its optimizer is LAMB"),
)

_MARIAN = Published(
    "Vaswani et al. 2017, sect. 5",
    25_000,
    100_000,
    _adamw(7e-4, 0.0, 0.04, "inverse_sqrt"),
)

PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "bert": _BERT,
        "roberta": Published(
            "Liu et al. 2019, table 9",
            8192 * 512,
            500_000,
            _adamw(6e-4, 0.01, 0.048, "linear"),
            0.15,
        ),
        "electra": Published(
            _ELECTRA, 128 * 128, 1_000_000, _adamw(5e-4, 0.01, 0.01, "linear"), 0.15
        ),
        "electra-base": Published(
            _ELECTRA, 256 * 512, 766_000, _adamw(2e-4, 0.01, 0.013, "linear"), 0.15
        ),
        "albert": _ALBERT,
        "gpt2": _GPT2,
        "gpt3-125m": _gpt3(6e-4, 500_000),
        "gpt3-350m": _gpt3(3e-4, 500_000),
        "gpt3-760m": _gpt3(2.5e-4, 500_000),
        "gpt3-1.3b": _gpt3(2e-4, 1_000_000),
        "gpt3-2.7b": _gpt3(1.6e-4, 1_000_000),
        "gpt3-6.7b": _gpt3(1.2e-4, 2_000_000),
        "gpt3-13b": _gpt3(1e-4, 2_000_000),
        "gpt3-175b": _gpt3(0.6e-4, 3_200_000),
        "t5": _T5,
        "bart": _BART,
        "llama": _LLAMA,
        "modernbert": _MODERNBERT,
        "marian": _MARIAN,
    }
)
"""By shape, or by what stands before its size."""


def published(shape: str) -> Published:
    """How the model of this shape was pretrained; ``shape`` is one of ``models.shapes``."""
    kind = shape.rpartition("-")[0] or shape
    return PUBLISHED.get(shape) or PUBLISHED[kind]
