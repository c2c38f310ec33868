"""Models in the order to try them, and what a person should know before the first."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Measure
from mason.advice.curves import Forecast
from mason.advice.ranking import Promise
from mason.language import say
from mason.metrics import Estimate, paired_test
from mason.metrics.groups import Groups

Items = Literal["rows", "words"]
"""What has a label: each row, or each word of it."""
_SURE = 0.05
_WORTH = 0.02
"""Score that a language model must add before it is worth its cost."""


@dataclass(frozen=True)
class Candidate:
    """A model that could be fine-tuned.

    Attributes:
        model: Its name, as ``--model`` takes it.
        licence: As its files name it; None: they name none.
        num_parameters: Of the network, its new head included.
        num_bytes: Of its weights in memory.
        memory: Bytes a fine-tuning run needs at its fullest moment.
        fits: Whether the machine has them.
        seconds: A fine-tuning run takes here; None: not known on this device.
        looked: Seconds it took to find out what it promises.
        promise: What its features are worth as they are.
        place: Mean place among the models by the scores of rows not seen, 1 the best.
        marks: Of the probe, a row each; their mean is its score.
    """

    model: str
    licence: str | None
    num_parameters: int
    num_bytes: int
    memory: int
    fits: bool
    seconds: float | None
    looked: float
    promise: Promise
    place: float
    marks: NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """A row whose label is probably wrong."""

    row: int
    text: str
    label: str
    likelier: str
    probability: float


@dataclass(frozen=True)
class ShortList:
    """What ``mason advise`` found.

    Attributes:
        file: The data.
        items: What has a label; it is what "rows" below are.
        measure: What scores are: accuracy; R² of numbers, the share of their variance that is
            explained; LRAP of sets of labels, how high the right ones rank.
        num_rows: Rows there are to learn from.
        looked_at: Rows of them the scores are of.
        candidates: Models that fit the machine first, the most promising of them first.
        passed_over: Names of models that could not be read, and why.
        words: Score of word counts and a linear map on the same rows.
        words_marks: Of each row.
        curve: Rows learned from, and the first model's probe's score.
        forecasts: Score of that probe with more rows.
        doubts: Rows whose label is probably wrong, the most suspicious first; classes only.
        groups: What each row is compared together with, see ``Asked``.
    """

    file: str
    items: Items
    measure: Measure
    num_rows: int
    looked_at: int
    candidates: Sequence[Candidate]
    passed_over: dict[str, str]
    words: Estimate
    words_marks: NDArray[np.float64]
    curve: Sequence[tuple[int, float]]
    forecasts: Sequence[Forecast]
    doubts: Sequence[Doubt]
    groups: Groups | None = None

    @property
    def best(self) -> Candidate:
        """The first."""
        return self.candidates[0]

    @property
    def words_suffice(self) -> bool:
        """Whether the first model's features tell no more of the rows than word counts do."""
        gain = self.best.promise.probe.value - self.words.value
        return gain < _WORTH or not self._differ(self.words_marks, self.best.marks)

    @property
    def named_items(self) -> str:
        """What has a label, in words."""
        return say("training words") if self.items == "words" else say("training rows")

    @property
    def sentences(self) -> list[str]:
        """All of it in words."""
        told = [*self.in_short, *self.of_models, *self.of_more_rows]
        if self.doubts:
            told.append(
                say(
                    "Labels that are probably wrong: {count} of {rows} {items} looked at, the "
                    "worst in row {row}.",
                    count=len(self.doubts),
                    rows=self.looked_at,
                    items=self.named_items,
                    row=self.doubts[0].row,
                )
            )
        return told

    @property
    def in_short(self) -> list[str]:
        """What to try, and what needs no language model."""
        return [self._first(), self._words()]

    @property
    def of_models(self) -> list[str]:
        """What is to be known of the others beside the first, and of licences."""
        told = [self._beside(other) for other in self.candidates[1:]]
        return told + [_of_licence(one) for one in self.candidates if one.licence is None]

    @property
    def of_more_rows(self) -> list[str]:
        """What more labels would buy."""
        return [self._of_rows(forecast) for forecast in self.forecasts]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; what is of single rows alone is left out."""
        told = asdict(self)
        del told["words_marks"], told["groups"]
        for one in told["candidates"]:
            del one["marks"]
        return {**told, "words_suffice": self.words_suffice, "sentences": self.sentences}

    def _first(self) -> str:
        return say(
            "Try {model} first. A linear map on its features, before any fine-tuning: {score} on "
            "{items} it has not seen; fine-tuned it is usually better.",
            model=self.best.model,
            items=self.named_items,
            score=named_score(self.measure, _with_interval(self.best.promise.probe)),
        )

    def _words(self) -> str:
        counted = say("Word counts and a linear map")
        told: dict[str, Any] = {
            "means": say("The commonest label of each word") if self.items == "words" else counted,
            "score": named_score(self.measure, _with_interval(self.words)),
            "items": self.named_items,
        }
        if self.words_suffice:
            return say(
                "You may not need this. {means}: {score} on the same {items}, and nothing proves "
                "that the model's features tell more.",
                **told,
            )
        return say("{means}: {score} on the same {items}.", **told)

    def _beside(self, other: Candidate) -> str:
        if not other.fits:
            return say("{model} does not fit this machine.", model=other.model)
        gap = self.best.promise.probe.value - other.promise.probe.value
        if not self._differ(self.best.marks, other.marks):
            return say(
                "{model} cannot be told from the first on these rows; it has {share:.2g} times "
                "its parameters.",
                model=other.model,
                share=other.num_parameters / self.best.num_parameters,
            )
        return say(
            "{model} is {points:.1f} points from the first.",
            model=other.model,
            points=-gap * 100,
        )

    def _differ(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
        """Whether a paired test tells the marks of two methods apart."""
        return paired_test(one, other, groups=self.groups, mid_p=True) < _SURE

    def _of_rows(self, forecast: Forecast) -> str:
        gain = forecast.gain
        return say(
            "With {rows:,} labelled {items}, that linear map would come to about {score}: "
            "{gain:+.1f} points ({low:+.1f} to {high:+.1f}, nine times in ten).",
            rows=forecast.rows,
            items=self.named_items,
            score=named_score(self.measure, f"{forecast.score.value:.1%}"),
            gain=gain.value * 100,
            low=gain.low * 100,
            high=gain.high * 100,
        )


def _of_licence(one: Candidate) -> str:
    return say("{model} names no licence: ask before you use it.", model=one.model)


def named_score(measure: Measure, figure: str) -> str:
    """A figure with what it is of."""
    if measure == "r2":
        return say("{figure} of the variance explained", figure=figure)
    if measure == "lrap":
        return say("an LRAP of {figure}", figure=figure)
    return say("{figure} right", figure=figure)


def _with_interval(score: Estimate) -> str:
    told = {"value": score.value, "low": score.low, "high": score.high}
    return say("{value:.1%} ({low:.1%} to {high:.1%})", **told)
