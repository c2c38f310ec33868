"""What tasks share whose model says one thing of a text, or of a pair of texts."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from mason.data.columns import Columns
from mason.data.tables import Table
from mason.tasks.classification import OUTPUT, PASS, read_costliest
from mason.tasks.texts import OfTexts
from mason.training.recipe import Recipe
from mason.workflows.model import Model
from mason.workflows.needs import Held
from mason.workflows.opening import Opened, facts_error
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks.task import Task
from mason.workflows.text_reader import TextReader

R = TypeVar("R", bound=TextReader[Any])
E = TypeVar("E", bound=OfTexts)
S = TypeVar("S")


class ReaderTask(Task[R, E]):
    """The part that is the same whatever is said of a text."""

    def adopt(self, model: R, prepared: Prepared) -> None:
        """Remember whether it reads pairs."""
        model.pairs = prepared.columns.pair is not None

    def num_tokens(self, model: R, table: Table, columns: Columns, examples: E) -> list[int]:
        """Tokens of each text before it is cut."""
        return model.num_tokens(*sides(table, columns))

    def held(self, held: E) -> Held:
        """Every text once."""
        return Held(sum(held.lengths), partial(read_costliest, examples=held.texts))

    def used_tokens(self, train: E) -> Iterable[int]:
        """Those of the texts: the table is read, and is no output matrix."""
        return chain(*train.texts.tokens)


def sides(table: Table, columns: Columns) -> tuple[list[str], list[str] | None]:
    """The texts, and the second ones where the rows are pairs."""
    seconds = texts_of(table, columns.pair) if columns.pair else None
    return texts_of(table, columns.text), seconds


def reads_pairs(opened: Opened, *, told: bool) -> bool | None:
    """Whether the model was trained on pairs; None: nobody says.

    Args:
        opened: Its folder.
        told: The folder is asked; False: its head is new.

    Raises:
        CheckpointError: The folder says neither.
    """
    pairs = opened.facts().get("pairs") if told else None
    if not isinstance(pairs, bool | None):
        raise facts_error(opened.folder)
    return pairs


def fit_if_fresh(fit: Callable[..., object], model: Model, train: S, recipe: Recipe) -> None:
    """Fit the output to the features as they are, where the files had none.

    Args:
        fit: ``fit(network, train, rows=, seed=, tokens_per_pass=)``, such as ``probe``.
        model: Whose output it is.
        train: The examples.
        recipe: How many rows, and the seed; no rows: nothing is fitted.
    """
    if recipe.probe_rows and OUTPUT in model.fresh:
        tokens = min(PASS, recipe.tokens_per_pass)
        fit(model.network, train, rows=recipe.probe_rows, seed=recipe.seed, tokens_per_pass=tokens)
