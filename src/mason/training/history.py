"""What happened in a run, step by step."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

OPTIONAL = frozenset({"refused", "update_norm"})
"""What a step may lack."""


@dataclass(frozen=True)
class Step:
    """One optimiser step, after it was taken or refused."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    refused: str | None = None
    """Why the step changed no parameter; None: it did."""
    update_norm: float | None = None
    """Norm of the weights' change over the weights' norm; None: not measured."""

    def plain(self) -> dict[str, Any]:
        """As JSON holds it: what is no finite number is None, and so is what is not there."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
            if not (name in OPTIONAL and value is None)
        }

    @classmethod
    def read(cls, plain: dict[str, Any]) -> "Step":
        """The inverse of ``plain``."""
        values: dict[str, Any] = {k: math.nan if v is None else v for k, v in plain.items()}
        return cls(**values)


@dataclass(frozen=True)
class Evaluation:
    """What the validation examples said after a step; a lower ``valid_loss`` is better."""

    step: int
    epoch: float
    train_loss: float
    valid_loss: float
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None
    token_accuracy: float | None = None
    """Share of the hidden tokens that are guessed right."""
    question_accuracy: float | None = None
    """Share of the pairs whose question is answered right."""
    replaced_found: float | None = None
    """Share of a generator's tokens that were told from real ones, in pretraining."""
    real_kept: float | None = None
    """Share of the real tokens that were taken for real."""
    samples: list[dict[str, str]] | None = None
    """What the model made of held-out text; see ``mason.evaluation.samples``."""


@dataclass(frozen=True)
class Pace:
    """How much of a machine a run can use.

    Attributes:
        flops_per_token: Operations of matrix products, forward and backward.
        peak: Those that the device does in a second at best.
    """

    flops_per_token: float
    peak: float

    def share(self, tokens_per_second: float) -> float:
        """Share of the peak that this speed is."""
        return tokens_per_second * self.flops_per_token / self.peak


@dataclass
class History:
    """Everything that happened."""

    num_steps: int = 0
    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    stopped: str = "finished"
    """"finished", "early", or "interrupted"; "finished" also while nothing else is known."""
    signal: int | None = None
    """The signal that interrupted it."""
    pace: Pace | None = None
    """What its speed is held against; None: not known."""
    notices: list[str] = field(default_factory=list)
    """Sentences for the user: what went wrong on the way and what was done about it."""

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.steps[-1].step if self.steps else 0

    @property
    def ended(self) -> bool:
        """Whether there is no further step."""
        return self.stopped != "finished" or self.step >= self.num_steps

    def add(self, evaluation: Evaluation) -> bool:
        """Take an evaluation in; True if it is the best so far."""
        self.evaluations.append(evaluation)
        better = self.best is None or evaluation.valid_loss < self.best.valid_loss
        if better:
            self.best = evaluation
        return better
