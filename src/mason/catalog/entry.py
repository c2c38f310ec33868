"""An entry of the catalogue: a task, its data, a paper, a recipe, and what it should come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mason.catalog.dataset import Dataset, Figure
from mason.catalog.datasets import find

Settings = Mapping[str, str | int | float]


class Paper(NamedTuple):
    """What a recipe follows."""

    title: str
    authors: str
    year: int


class Expected(NamedTuple):
    """What the small form came to when it was last run here, and how far off another may be."""

    metric: str
    value: float
    within: float


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue.

    Attributes:
        name: By which it is run.
        verb: The command that runs it.
        task: As ``--task`` or ``--objective`` takes it.
        data: Data sets by name; of several the first is the one it is listed under.
        settings: The recipe: settings that are not defaults.
        small: What the small form changes, so that it ends within minutes on two cores.
        expected: What the small form comes to.
        paper: What the recipe follows.
        known_as: The data set's names in the archive of Papers with Code.
    """

    name: str
    verb: Literal["train", "pretrain"]
    task: str
    data: tuple[str, ...]
    settings: Settings
    small: Settings
    expected: Expected
    paper: Paper
    known_as: tuple[str, ...] = field(default=())

    @property
    def dataset(self) -> Dataset:
        """The data set it is listed under."""
        return find(self.data[0])

    @property
    def published(self) -> tuple[Figure, ...]:
        """Figures of papers on the same data."""
        return self.dataset.published

    def command(self, *, whole: bool, output: str) -> list[str]:
        """The command that runs it."""
        kind = "--task" if self.verb == "train" else "--objective"
        words = ["mason", self.verb, kind, self.task, "--output", output]
        for name in self.data:
            words += ["--data", f"catalog:{name}"]
        for name, value in (self.settings if whole else {**self.settings, **self.small}).items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words
