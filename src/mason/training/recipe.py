"""What a run does, every choice made: the settings, resolved."""

from dataclasses import dataclass
from typing import Literal

from mason.training.privacy import Privacy
from mason.training.schedules import factor


@dataclass(frozen=True)
class Recipe:
    """All numbers of a training run."""

    epochs: float = 4.0
    max_steps: int | None = None
    batch_size: int = 32
    """Sequences an optimiser step sees."""
    tokens_per_batch: int | None = None
    """Form batches of about this many tokens instead."""
    tokens_per_pass: int = 16384
    """Most tokens in memory at once; a larger batch is accumulated."""
    optimizer: Literal["adamw", "muon", "adafactor", "adamw8bit", "schedule_free"] = "adamw"
    learning_rate: float = 1e-4
    head_learning_rate: float | None = None
    """For parts that start fresh; None: the same."""
    probe_rows: int = 0
    """Examples on which a fresh head is fitted before the first step; 0: it starts random."""
    layer_decay: float = 1.0
    """Each layer below the last learns slower by this factor (Howard & Ruder 2018)."""
    up_rate_ratio: float = 1.0
    """Of adapters, the second matrix learns faster by this factor (Hayou et al. 2024, LoRA+)."""
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    schedule: Literal["linear", "cosine", "wsd", "constant", "inverse_sqrt"] = "linear"
    decay_share: float = 0.2
    """The last part of the run, in which the schedule wsd falls."""
    ema_decay: float | None = None
    """Evaluate and keep the weights' moving average; None: the weights themselves."""
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    r_drop: float = 0.0
    """Weight of the difference between two passes under different dropout; 0: one pass."""
    word_swaps: float = 0.0
    """Share of a text's words that are swapped as an attacker would; 0: texts are read once."""
    mixout: float = 0.0
    """Share of the layers' values that fall back on the pretrained ones in a step."""
    temperature: float = 0.05
    """Of cosines that compete, for embedding."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    """Run feed-forward blocks through PyTorch's compiler."""
    patience: int | None = None
    """Stop after this many evaluations without a better one; None: never."""
    evaluations_per_epoch: int = 1
    evaluate_steps: int | None = None
    """Evaluate after this many steps instead."""
    seed: int = 1
    privacy: Privacy | None = None
    """What a private run promises; ``clip_norm`` then cuts each row's own gradient."""

    def num_steps(self, steps_per_epoch: int) -> int:
        """Optimiser steps of the whole run."""
        steps = max(1, round(self.epochs * steps_per_epoch))
        return min(steps, self.max_steps) if self.max_steps else steps

    def rate_share(self, step: int, num_steps: int) -> float:
        """Share of the peak learning rate at ``step`` (from 0) of ``num_steps``."""
        return factor(
            step,
            num_steps,
            schedule=self.schedule,
            warmup_share=self.warmup_share,
            decay_share=self.decay_share,
        )
