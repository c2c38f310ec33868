"""A chat model that learns from preferences, as a user holds it while it is tuned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from mason.data.tables import Table
from mason.errors import DataError
from mason.tasks.preference import FREE, Kind, PreferenceObjective, Preferences
from mason.text.scripts import Script
from mason.workflows.talker import Sighted, Talker, never_closed

_BETA, _SIMPO_BETA, _MARGIN = 0.1, 2.0, 0.5
"""Rafailov et al. 2023, and the lower end of what Meng et al. 2024 use."""


@dataclass
class Advice:
    """Pairs of answers, and how they are learned from.

    Attributes:
        pairs: As tokens.
        kind: The loss.
        beta: How closely the model stays with what it was.
        margin: Of simpo.
        reference: What the model said of the answers before, [2, pairs]; None: not asked yet.
    """

    pairs: Preferences
    kind: Kind
    beta: float
    margin: float
    reference: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def lengths(self) -> list[int]:
        """Tokens that are read for each pair."""
        return self.pairs.lengths

    @property
    def columns(self) -> Sequence[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time."""
        return self.pairs.columns

    def cut(self, most: int) -> "Advice":
        """The same with at most ``most`` tokens in a prompt with its answer."""
        return Advice(self.pairs.cut(most), self.kind, self.beta, self.margin)

    def objective(self, smoothing: float = 0.0) -> PreferenceObjective:
        """The loss; before the reference is known, that of a reference of zeros, to look ahead."""
        known = self.reference
        if known is None and self.kind not in FREE:
            known = torch.zeros(2, len(self))
        return PreferenceObjective(
            self.pairs,
            None if self.kind in FREE else known,
            kind=self.kind,
            beta=self.beta,
            smoothing=smoothing,
            gamma=self.margin,
        )


@dataclass
class Advised(Talker):
    """A chat model that is told which of two answers is better.

    Attributes:
        kind: The loss.
        beta: See ``Advice``; None: the loss's usual one.
        margin: See ``Advice``.
        said: Answers to the first rows it is measured on, before tuning.
    """

    task: ClassVar[str] = "preference"

    kind: Kind = "dpo"
    beta: float | None = None
    margin: float = _MARGIN
    said: list[str] = field(default_factory=list)

    @property
    def usual_beta(self) -> float:
        """What was said, else the loss's usual one."""
        return self.beta or (_SIMPO_BETA if self.kind == "simpo" else _BETA)

    def advice(self, table: Table, turns: str) -> Advice:
        """A table's pairs as tokens.

        Args:
            table: As ``flat_preferences`` arranged it.
            turns: Its column of both conversations.

        Raises:
            DataError: A pair does not fit the model; the sentence names file and row.
        """
        prompts, chosen, rejected = [], [], []
        for row, cell in zip(table.rows, table.texts(turns), strict=True):
            better, worse = self.sides(table.path, row, json.loads(cell or "[]"))
            begin, end = better.answers[-1]
            prompts.append(better.ids[:begin])
            chosen.append(better.ids[begin:end])
            rejected.append(worse.ids[begin : worse.answers[-1][1]])
        pairs = Preferences(prompts, chosen, rejected)
        return Advice(pairs, self.kind, self.usual_beta, self.margin)

    def sides(
        self, file: object, row: int, pair: Sequence[Sequence[Mapping[str, Any]]]
    ) -> tuple[Script, Script]:
        """Both conversations, whole, the better one first.

        Raises:
            DataError: One is too long, or its last turn is never closed.
        """
        better, worse = (self._side(Sighted(file, row, [*map(dict, turns)])) for turns in pair)
        return better, worse

    def _side(self, given: Sighted) -> Script:
        script = self.script(given)
        if not script.closed:
            raise never_closed(given.file, given.row)
        end = script.answers[-1][1]
        if self.max_tokens is not None and end > self.max_tokens:
            raise DataError(
                "{file}, row {row}: a prompt with its answer has {tokens} tokens, and the model "
                "reads {limit}; raise --model.max-tokens, or shorten the row.",
                file=given.file,
                row=given.row,
                tokens=end,
                limit=self.max_tokens,
            )
        return script

    def facts(self) -> dict[str, Any]:
        """By which loss it learned."""
        return {**super().facts(), "preference_loss": self.kind}
