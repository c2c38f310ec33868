"""The processes of a run, as the loop sees them; nearly always there is one.

With torchrun there are several: ``parallel`` has what they do then. A run of one process pays
nothing for it and imports nothing of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mason.runtime import num_processes
from mason.training.batches import Indices, passes

Made = TypeVar("Made")
Item = TypeVar("Item")
Ask = Callable[[Any, Sequence[int]], Made]
"""A question about a run of examples: an objective's loss or its scores."""
Module = TypeVar("Module", bound=nn.Module)


class World:
    """The processes of a run: this one alone.

    Attributes:
        rank: This process's number, from 0.
        size: How many there are.
    """

    rank, size = 0, 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def first(self, make: Callable[[], Made]) -> Made:
        """What the first process makes, as JSON holds it, or its mistake: for all of them."""
        return make()

    def after_first(self, make: Callable[[], Made]) -> Made:
        """Make in every process what finds on the disk what the first one's call left there."""
        return make()

    @contextmanager
    def held_by_first(self, place: AbstractContextManager[object]) -> Iterator[None]:
        """What only one process can hold, such as a folder's lock, is the first one's."""
        with ExitStack() as held:
            self.first(lambda: bool(held.enter_context(place)))
            yield

    def total(self, value: float) -> float:
        """The sum of all processes' values."""
        return value

    def highest(self, value: int) -> int:
        """The highest of all processes' values."""
        return value

    def rounds(self, items: Sequence[Item]) -> list[tuple[Item, bool]]:
        """The items that are this process's, each with True.

        All processes get as many, for FSDP's communication needs all of them in each pass:
        those with fewer get one to go through with False, which must not count.
        """
        return [(item, True) for item in items]

    def passes(
        self, batch: Sequence[int] | Indices, lengths: Sequence[int], budget: int
    ) -> list[tuple[list[int], bool]]:
        """This process's share of a batch, as ``batches.passes`` cuts it; see ``rounds``."""
        return [(run, True) for run in passes(batch, lengths, budget)]

    def share(self, model: Module, device: torch.device) -> Module:
        """The model to train on a device; ``whole`` brings what it learned back."""
        return model.to(device)

    def ask(self, what: Ask[Made], model: nn.Module, run: Sequence[int]) -> Made:
        """What a model from ``share`` answers, such as ``objective.loss``."""
        return what(model, run)

    def whole(self, shared: nn.Module, model: nn.Module) -> None:
        """Write what a shared model learned into the one it was made from."""

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors in the first process, none in the others."""
        return tensors

    def cut(self, whole: Tensor, like: Tensor) -> Tensor:
        """Of a tensor that every process has, the part that this process holds of ``like``."""
        return whole

    def spread(self, whole: Tensor | None, like: Tensor) -> Tensor:
        """The same of a tensor that only the first process has."""
        assert whole is not None, "the first process has it"
        return whole


ALONE = World()


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's environment variables tell of; without them, this process alone.

    Within, a mistake that several processes find is marked as told in all but one of them, and
    the end of one ends the others.
    """
    if num_processes() == 1:
        yield ALONE
        return
    from mason.training.parallel import Processes

    world = Processes()
    try:
        yield world
    except BaseException as error:
        known = world.fail(error)
        if known is error:
            raise
        raise known from error
    world.leave()
