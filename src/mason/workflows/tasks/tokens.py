"""What tasks share whose models learn the tokens of texts or of conversations."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

from mason.compression import WRITING
from mason.data.columns import Columns
from mason.data.tables import Table
from mason.evaluation.language import held_scores, held_tokens, read_costliest
from mason.generation import Sampling
from mason.models.transformer import Transformer
from mason.settings import Settings
from mason.tasks.dialogue import Conversations, Dialogue
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.needs import Held
from mason.workflows.preparing import texts_of
from mason.workflows.tasks.task import RowScores, Task
from mason.workflows.tasks.text_to_text import writing_recipe
from mason.workflows.writer import Writer

W = TypeVar("W", bound=Writer)
_ROUND_BY = 16_384
"""Tokens by which weights are rounded."""
_PROMPT, _WRITTEN = 200, 16
"""Characters that are gone on from for the clock, and tokens that are written."""


class OfTokens(Task[W, Conversations]):
    """The part that is the same whatever the texts are."""

    ladder = WRITING

    def recipe(self, settings: Settings, network: Transformer, train: Conversations) -> Recipe:
        """As for any model that writes; the loss is that of the tokens as they are."""
        return replace(writing_recipe(settings, network, len(train)), label_smoothing=0.0)

    def objective(self, train: Conversations, recipe: Recipe) -> Dialogue:
        """Cross-entropy of the learned tokens."""
        return Dialogue(train)

    def held(self, held: Conversations) -> Held:
        """As much as an evaluation reads."""
        objective = Dialogue(held)
        return Held(held_tokens(objective), partial(read_costliest, held=objective))

    def validate(self, model: W, held: Conversations) -> Scores:
        """The mean loss of a learned token."""
        return dict(held_scores(model.network, Dialogue(held)))

    def texts(self, train: Conversations) -> list[Sequence[int]]:
        """The first texts: memory holds a layer's rows of all of them at once."""
        ends = accumulate(map(len, train.tokens))
        return [ids for ids, end in zip(train.tokens, ends, strict=True) if end <= _ROUND_BY]

    def each(self, model: W, table: Table, columns: Columns) -> RowScores:
        """Mean log-likelihood of each text's learned tokens, in nats."""
        told = Dialogue(self.examples(model, table, columns)).tell(model.network)
        return RowScores("nats", (-told.losses / told.counts).tolist(), range(len(told.counts)))

    def given(self, table: Table, columns: Columns) -> list[tuple[str, ...]]:
        """The beginning of each text."""
        return [(text[:_PROMPT],) for text in texts_of(table, columns.text)]

    def ask(self, model: W, *given: Any) -> Any:
        """A few tokens that follow."""
        return model.generate(given[0], Sampling(max_new_tokens=_WRITTEN, stop_tokens=()))
