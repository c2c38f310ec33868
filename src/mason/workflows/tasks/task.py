"""What a task adds to a run: ``Session`` and ``evaluate`` have the order, a task the content."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from mason.compression import READING, Ladder
from mason.data import doctor
from mason.data.columns import Columns, check_shared
from mason.data.findings import Finding
from mason.data.tables import Table
from mason.errors import SettingsError
from mason.language import say
from mason.metrics.groups import Groups
from mason.models.transformer import Transformer, num_parameters
from mason.settings import (
    CLASSIFICATION_ONLY,
    DIALOGUE_ONLY,
    EMBEDDING_ONLY,
    PREFERENCE_ONLY,
    PRETRAINING_ONLY,
    DataSettings,
    Settings,
)
from mason.training.defaults import recipe_for
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.workflows.model import Model
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, TokenCounts, read_tables, texts_of
from mason.workflows.starting import Beginning

Block = dict[str, Any]


class Examples(Protocol):
    """The rows of a table as a network reads them."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example."""

    @property
    def columns(self) -> Iterable[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time: by them a run knows its data."""

    def cut(self, most: int) -> Self:
        """The same with at most ``most`` tokens a text."""


@dataclass(frozen=True)
class Marked:
    """A row token by token.

    Attributes:
        ids: Tokens; of an encoder and a decoder first those that are read.
        learned: For each, whether it is a target.
        closed: Whether the token that ends the model's turn is one wherever it should be.
    """

    ids: Sequence[int]
    learned: Sequence[bool]
    closed: bool


@dataclass(frozen=True)
class RowScores:
    """What every row of a table is worth, the higher the better.

    Attributes:
        name: Of the score.
        values: Of each row.
        rows: Which rows of the table they are of.
        whole: What 1 is to a share: how far the right numbers are apart, where values are in
            their unit.
        groups: What each row belongs to where those of one are alike, such as the text of a
            question; they are drawn together. None: each is alone.
    """

    name: str
    values: Sequence[float]
    rows: Sequence[int]
    whole: float = 1.0
    groups: Groups | None = None


M = TypeVar("M", bound=Model)
E = TypeVar("E", bound=Examples)


class Task(ABC, Generic[M, E]):
    """One task, with its kind of model and its kind of examples.

    A new one is a subclass in a file here and a line in ``TASKS``. Losses and logits belong
    in ``mason.tasks``, scores in ``mason.metrics``; here they meet tables and reports.
    """

    name: ClassVar[str]
    """As ``--task`` takes it."""
    unused: ClassVar[Sequence[str]] = (
        *PRETRAINING_ONLY,
        *CLASSIFICATION_ONLY,
        *EMBEDDING_ONLY,
        *DIALOGUE_ONLY,
        *PREFERENCE_ONLY,
        "data.target",
        "data.separator",
    )
    """Settings that mean nothing to it."""
    cuts: ClassVar[bool] = True
    """Whether of a long text the beginning is read, so that its length is worth a word."""
    explained: ClassVar[bool] = True
    """Whether ``model.subject`` takes what ``given`` gives."""
    ladder: ClassVar[Ladder | None] = None
    """How its models are made smaller; None: by no search."""

    @property
    def explained_of_itself(self) -> bool:
        """Whether a run's report explains a few rows; what a text makes one write takes long."""
        return self.explained and self.ladder is READING

    def read(self, settings: DataSettings) -> tuple[dict[str, Table], DataSettings]:
        """The tables the settings name, and the settings with the catalogue's columns filled in.

        Raises:
            DataError: They cannot be read.
        """
        return read_tables(settings)

    def arrange(self, tables: dict[str, Table], settings: DataSettings) -> dict[str, Table]:
        """The tables in the layout it reads; most read any.

        Raises:
            DataError: They cannot be brought into it.
        """
        return tables

    @abstractmethod
    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """The columns it reads; where they are not ``complete``, answers may be missing.

        Raises:
            DataError: They are not there, or it is not clear which they are.
        """

    def check(self, table: Table, columns: Columns) -> None:
        """Refuse rows that mean nothing to it; most read any text.

        Raises:
            DataError: Which row, and what is wrong there.
        """

    def examine(
        self,
        tables: Mapping[str, Table],
        columns: Columns,
        *,
        token_counts: TokenCounts | None = None,
        max_tokens: int | None = None,
    ) -> list[Finding]:
        """What is wrong with the tables.

        Raises:
            DataError: A table lacks a column, or a row means nothing to the task.
        """
        check_shared(columns, list(tables.values()))
        for table in tables.values():
            self.check(table, columns)
        if not self.cuts:
            return doctor.examine(tables, columns)
        return doctor.examine(tables, columns, token_counts=token_counts, max_tokens=max_tokens)

    @abstractmethod
    def load(self, path: Path, chosen: Chosen) -> M:
        """The model in a folder, ready for this task.

        Raises:
            MasonError: It cannot be read, or used for this task.
        """

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> M:
        """The model to train on these data."""
        return self.load(path, chosen)

    def create(self, settings: Settings, prepared: Prepared, beginning: Beginning) -> M:
        """A model of random weights, for tasks that do not refuse ``model.shape``."""
        raise NotImplementedError

    def reads(self, columns: Columns) -> str | None:
        """What was found in the tables, in words; None: there is nothing to learn from."""
        right = columns.label or columns.answer
        if right is None:
            return None
        if columns.pair is None:
            return say(
                "Reads {text}; what is right stands in {right}.", text=columns.text, right=right
            )
        return say(
            "Reads {text} and {pair}; what is right stands in {right}.",
            text=columns.text,
            pair=columns.pair,
            right=right,
        )

    def restrict(self, model: M, prepared: Prepared) -> Prepared:
        """The data as this model can answer them.

        Raises:
            DataError: They are not for this model.
        """
        return prepared

    def heed(self, model: M, settings: Settings) -> None:
        """Let the model know the settings that are about how it reads its examples.

        Raises:
            SettingsError: They do not fit the model.
        """

    def adopt(self, model: M, prepared: Prepared) -> None:
        """Tell the model what the data are like that it will learn from."""

    @abstractmethod
    def examples(self, model: M, table: Table, columns: Columns) -> E:
        """A table's rows as the model reads them."""

    def marked(self, model: M, table: Table, columns: Columns) -> Marked | None:
        """The first row as the model learns it; None: the task learns no tokens."""
        return None

    @abstractmethod
    def num_tokens(self, model: M, table: Table, columns: Columns, examples: E) -> list[int]:
        """Tokens of each row before it is cut."""

    def num_cut(self, model: M, lengths: Sequence[int], examples: E) -> int:
        """Of how many rows the model does not read all; ``lengths`` are those before."""
        return sum(model.max_tokens is not None and n > model.max_tokens for n in lengths)

    def crowded(self, model: M, train: E) -> str | None:
        """In words, how many rows are cut, where the doctor could not see it; None: it could."""
        return None

    def texts(self, train: E) -> Sequence[Sequence[int]]:
        """Some of the texts as tokens, for who rounds weights by what they are given in them."""
        return ()

    def recipe(self, settings: Settings, network: Transformer, train: E) -> Recipe:
        """Every number of a run: what the settings say, else a good default."""
        return recipe_for(
            settings.training, num_parameters=num_parameters(network), num_examples=len(train)
        )

    @abstractmethod
    def objective(self, train: E, recipe: Recipe) -> Objective:
        """What is learned from."""

    def equip(self, objective: Any, model: M, recipe: Recipe) -> None:
        """Give what is learned from what only the model knows, before its first step."""

    @abstractmethod
    def held(self, held: E) -> Held:
        """What ``validate`` reads, for the forecast."""

    @abstractmethod
    def validate(self, model: M, held: E) -> Scores:
        """Scores between the steps: ``valid_loss``, and other fields of ``Evaluation``."""

    def before_training(self, model: M, train: E, recipe: Recipe) -> None:
        """Make what starts from random weights ready for its first step."""

    def ask_before(self, model: M, examples: Mapping[str, E]) -> None:
        """Keep what the model says of the examples before it learns from them.

        Args:
            model: On the device it is trained on.
            examples: Those of every split.
        """

    def used_tokens(self, train: E) -> Iterable[int] | None:
        """Every token the examples hold, where no other row of the table learns."""
        return None

    def chance_loss(self, model: M, train: E) -> float | None:
        """Mean loss of guessing; None: not known."""
        return None

    def after_training(self, model: M, held: E) -> None:
        """Fit what is fitted on the validation rows, such as a temperature."""

    @abstractmethod
    def measure(self, model: M, prepared: Prepared, split: str, examples: E) -> Block:
        """The block ``evaluation`` of ``results.json``: scores on the rows of a split.

        Where ``prepared`` has rows to train on, what something simpler scores is beside them.
        """

    def label_errors(self, prepared: Prepared, seed: int) -> Block | None:
        """Training rows whose label is probably wrong; None: the task cannot tell.

        Args:
            prepared: With rows to train on.
            seed: Decides which rows are looked at where there are many.
        """
        return None

    @abstractmethod
    def answer(self, model: M, table: Table, columns: Columns) -> Sequence[object]:
        """The model's answers to a table's rows, as a user gets them."""

    def each(self, model: M, table: Table, columns: Columns) -> RowScores:
        """A score of every row, by which two models are compared.

        Raises:
            SettingsError: The task has none.
        """
        raise SettingsError(
            "Models for {task} cannot be compared row by row; measure each with mason evaluate.",
            task=self.name,
        )

    def given(self, table: Table, columns: Columns) -> list[tuple[str, ...]]:
        """What ``model.predict`` takes for each row: a text, or a pair of texts."""
        names = [columns.text, *([columns.pair] if columns.pair else [])]
        return list(zip(*(texts_of(table, name) for name in names), strict=True))

    def ask(self, model: M, *given: Any) -> object:
        """The model's answer, for a clock.

        Args:
            model: As it is used.
            given: Of a row as ``given`` has it; or of many, a list for each part.
        """
        return model.predict(*given)

    def skilled(self, model: M, table: Table, columns: Columns) -> bool | None:
        """Whether the model is surely better than one answer for all; None: nobody can say."""
        return None

    @abstractmethod
    def describe(self, model: M, columns: Columns) -> Block:
        """The block ``task`` of ``results.json``, its name left out."""
