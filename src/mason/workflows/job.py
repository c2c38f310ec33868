"""A run before it begins, as what needs of it are foretold from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from mason.settings import OutputSettings
from mason.tasks.pretraining import Learner
from mason.training.recipe import Recipe
from mason.training.state import Objective


@dataclass(frozen=True)
class Held:
    """What is read without learning from it.

    Attributes:
        num_tokens: Of an evaluation.
        infer: The costliest forward pass.
    """

    num_tokens: int
    infer: Callable[[nn.Module], object]


@dataclass(frozen=True)
class Job:
    """A run before it begins.

    Attributes:
        network: On any device, the meta device included.
        objective: What is learned from; where the network has no values, lengths alone count.
        recipe: Every number of the run.
        output: What is kept on the disk.
        device: Where it will run.
        process: Bytes the process holds without the network.
        held: What is read between the steps, if anything.
        fresh: Parameters that start from random weights.
        used: The tokens whose rows learn, as ``training_used_rows`` has it; None: all do.
        recompute: Whether the backward pass computes activations again.
        processes: How many learn together, each on a device of its own or all on the CPU.
        budget: Seconds of training, however many steps they hold; None: the recipe says how many.
        judging: Bytes that judging the finished model takes beside its weights.
        timed: Seconds that all steps take, where some were timed; None: they are foretold.
        cut: The same run with texts of at most so many tokens, where that can be had.
    """

    network: Learner
    objective: Objective
    recipe: Recipe
    output: OutputSettings
    device: torch.device
    process: int
    held: Held | None = None
    fresh: Sequence[str] = ()
    used: frozenset[int] | None = None
    recompute: bool = False
    processes: int = 1
    budget: float | None = None
    judging: int = 0
    timed: float | None = None
    cut: "Callable[[int], Job] | None" = None
