"""What items are asked for, a class, a number or any labels, and how answers are judged."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mason.advice.probe import linear_probe, ridge_probe
from mason.advice.transferability import (
    h_score,
    log_me,
    log_me_of_values,
    nearest,
    neighbour_accuracy,
)
from mason.data import splits
from mason.metrics.classification import Estimate, scores
from mason.metrics.folds import Fit, fit_some, folds, out_of_fold, rows_of
from mason.metrics.groups import Groups, group_numbers
from mason.metrics.multilabel import lrap_of_rows, multilabel_scores
from mason.metrics.regression import regression_scores
from mason.metrics.texts import mean_estimate

Measure = Literal["accuracy", "r2", "lrap"]
Answers = NDArray[np.float64]


@dataclass(frozen=True)
class Asked(ABC):
    """Items and their right answers.

    A method answers for items it has not learned from; each answer has a mark, and the mean of
    all marks is the score.

    Attributes:
        targets: The right answers, an item a row.
        groups: What each item belongs to where those of one tell of each other, such as the
            sentence of a word: they are held out, drawn and compared together. None: each is
            alone.
    """

    measure: ClassVar[Measure]

    targets: NDArray[Any]
    groups: Groups | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    @abstractmethod
    def probe(self) -> Fit:
        """The linear map that is tried on features."""

    @property
    def is_level(self) -> bool:
        """Whether all items have the same answer, so that there is nothing to learn."""
        return bool((self.targets == self.targets[:1]).all())

    @property
    def strata(self) -> NDArray[np.int64]:
        """What is shared out evenly among folds [items]."""
        return np.zeros(len(self), np.int64)

    def parts(self, count: int, seed: int) -> NDArray[np.int64]:
        """The fold of each item; no group is torn apart.

        Raises:
            DataError: There are fewer groups than folds.
        """
        if self.groups is None:
            return folds(self.strata, count, seed=seed)
        found, labels = np.zeros(len(self), np.int64), [str(one) for one in self.strata.tolist()]
        dealt = splits.folds(labels, num_folds=count, seed=seed, groups=self.groups)
        for number, fold in enumerate(dealt):
            found[fold.test] = number
        return found

    def shuffled(self, items: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.int64]:
        """Items in a random order, those of a group one after another."""
        order = chance.permutation(items)
        if self.groups is None:
            return order
        numbers = group_numbers(self.groups)
        places = chance.permutation(len(numbers))[numbers[order]]
        return order[np.argsort(places, kind="stable")]

    def answers(
        self, fit: Fit, inputs: Any, learned: NDArray[np.int64], held: NDArray[np.int64]
    ) -> Answers:
        """What a method says of the items held, having learned from others.

        Args:
            fit: The method.
            inputs: What it reads, an item a row.
            learned: Items it learns from.
            held: Items it is asked of.
        """
        return fit(rows_of(inputs, learned), self.targets[learned], rows_of(inputs, held))

    def out_of_fold(self, fit: Fit, inputs: Any, *, count: int = 5, seed: int = 0) -> Answers:
        """What a method says of each item, having learned from the other folds."""
        parts = self.parts(count, seed)
        held = [np.flatnonzero(parts == part) for part in range(count)]
        said = [
            self.answers(fit, inputs, np.flatnonzero(parts != i), h) for i, h in enumerate(held)
        ]
        found: Answers = np.concatenate(said)[np.argsort(np.concatenate(held))]
        return found

    @abstractmethod
    def marks(self, answers: Answers, items: NDArray[np.int64] | None = None) -> Answers:
        """How good the answers are, [items], 1 at best; None: they are of all items."""

    def estimate(self, answers: Answers) -> Estimate:
        """The score of answers to all items, with its interval."""
        if self.groups is not None:
            return mean_estimate(self.marks(answers), self.groups)
        return self._estimate(answers)

    @abstractmethod
    def _estimate(self, answers: Answers) -> Estimate:
        """The same where each item is alone."""

    def h_score(self, features: NDArray[np.float32]) -> float | None:
        """See ``transferability.h_score``; None: it is not defined for such answers."""
        return None

    def log_me(self, features: NDArray[np.float32]) -> float:
        """See ``transferability.log_me``."""
        return log_me_of_values(features, self.targets)

    def neighbours(self, features: NDArray[np.float32]) -> float:
        """The score of the mean over the nearest others' answers."""
        others = nearest(features, groups=self.groups)
        return float(self.marks(self.targets[others].mean(axis=1)).mean())


@dataclass(frozen=True)
class Classes(Asked):
    """A class each; the mark is 1 where the likeliest is right, else 0.

    Attributes:
        targets: Class numbers [items].
        labels: Names of the classes.
    """

    measure = "accuracy"

    labels: tuple[str, ...]

    @property
    def probe(self) -> Fit:
        """Logistic regression."""
        return linear_probe

    @property
    def strata(self) -> NDArray[np.int64]:
        """Classes."""
        return self.targets

    def answers(
        self, fit: Fit, inputs: Any, learned: NDArray[np.int64], held: NDArray[np.int64]
    ) -> Answers:
        """Probabilities [held, classes]; 0 of classes that were not learned."""
        found = np.zeros((held.size, len(self.labels)))
        known = np.unique(self.targets[learned])
        found[:, known] = fit_some(fit, inputs, self.targets, learned, held)
        return found

    def out_of_fold(self, fit: Fit, inputs: Any, *, count: int = 5, seed: int = 0) -> Answers:
        """Probabilities [items, classes]."""
        num, parts = len(self.labels), self.parts(count, seed)
        return out_of_fold(fit, inputs, self.targets, num, count=count, parts=parts)

    def marks(self, answers: Answers, items: NDArray[np.int64] | None = None) -> Answers:
        """1 or 0."""
        wanted = self.targets if items is None else self.targets[items]
        right: Answers = (answers.argmax(axis=1) == wanted).astype(np.float64)
        return right

    def _estimate(self, answers: Answers) -> Estimate:
        """Accuracy."""
        told = scores(self.targets, answers.argmax(axis=1), len(self.labels))
        return told.overall["accuracy"]

    def h_score(self, features: NDArray[np.float32]) -> float:
        """See ``transferability.h_score``."""
        return h_score(features, self.targets)

    def log_me(self, features: NDArray[np.float32]) -> float:
        """See ``transferability.log_me``."""
        return log_me(features, self.targets, len(self.labels))

    def neighbours(self, features: NDArray[np.float32]) -> float:
        """See ``transferability.neighbour_accuracy``."""
        return neighbour_accuracy(features, self.targets, groups=self.groups)


@dataclass(frozen=True)
class Numbers(Asked):
    """A number each; the mark is 1 less the squared error over the variance, so the score is R².

    Attributes:
        targets: [items].
    """

    measure = "r2"

    @property
    def probe(self) -> Fit:
        """Ridge regression."""
        return ridge_probe

    def marks(self, answers: Answers, items: NDArray[np.int64] | None = None) -> Answers:
        """1 for the very number; below 0 for what is worse than their mean."""
        wanted = self.targets if items is None else self.targets[items]
        found: Answers = 1 - (answers - wanted) ** 2 / max(float(self.targets.var()), 1e-300)
        return found

    def _estimate(self, answers: Answers) -> Estimate:
        """Share of the variance that is explained."""
        return regression_scores(self.targets, answers).overall["r2"]


@dataclass(frozen=True)
class LabelSets(Asked):
    """Any number of labels each; the mark is LRAP: how high the right ones rank.

    Attributes:
        targets: Whether an item has a label [items, labels].
    """

    measure = "lrap"

    @property
    def probe(self) -> Fit:
        """Ridge regression of 0 and 1: only the order of the labels counts."""
        return ridge_probe

    def marks(self, answers: Answers, items: NDArray[np.int64] | None = None) -> Answers:
        """See ``metrics.multilabel``."""
        return lrap_of_rows(self.targets if items is None else self.targets[items], answers)

    def _estimate(self, answers: Answers) -> Estimate:
        """LRAP."""
        return multilabel_scores(self.targets, answers, answers >= 0.5).overall["lrap"]
