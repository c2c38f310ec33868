"""One row of a table as a model learns it, token by token."""

from dataclasses import dataclass
from pathlib import Path

from mason.errors import DataError, SettingsError
from mason.settings import load_settings
from mason.sources import find_model
from mason.text import Tokenizer
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, data_settings, read_tables
from mason.workflows.talker import never_closed
from mason.workflows.tasks import find_task


@dataclass(frozen=True)
class Piece:
    """A token: its number, its spelling in the vocabulary, its text, whether it is learned."""

    id: int
    piece: str
    text: str
    learned: bool


@dataclass(frozen=True)
class Sample:
    """A row.

    Attributes:
        file: Where it stands.
        row: As the file counts.
        pieces: Its tokens.
        closed: Whether the token that ends the model's turn is learned.
        layout: The form of a conversation.
    """

    file: str
    row: int
    pieces: list[Piece]
    closed: bool
    layout: str | None = None

    def check(self) -> None:
        """Refuse a row whose end is never learned.

        Raises:
            DataError: It is one.
        """
        if not self.closed:
            raise never_closed(self.file, self.row)


def show_row(
    data: str | Path,
    *,
    task: str | None,
    model: str,
    row: int | None = None,
    loss_on: str | None = None,
    chat_template: str | None = None,
    **options: str | None,
) -> Sample:
    """A row as a model learns it.

    Args:
        data: As for ``mason.train``; of several tables the first.
        task: What is learned from it, one that writes; None: dialogue.
        model: As for ``mason.load``.
        row: Its number as errors count; None: the first.
        loss_on: The setting ``training.loss_on``.
        chat_template: The setting ``model.chat_template``.
        options: Fields of the ``data`` settings, such as ``text``, ``pair`` and ``target``.

    Raises:
        MasonError: The data or the model cannot be read, there is no such row, or the task
            learns no tokens.
    """
    learner = find_task(task or "dialogue")
    given = {"training.loss_on": loss_on, "model.chat_template": chat_template}
    said = load_settings(overrides={k: v for k, v in given.items() if v is not None}).settings
    tables, settings = read_tables(data_settings(data, options))
    table = next(iter(tables.values()))
    at = 0 if row is None else next((i for i, r in enumerate(table.rows) if r == row), None)
    if at is None:
        raise DataError(
            "{file} holds no row {row}; rows are numbered as in error messages, here from {first} "
            "to {last}.",
            file=table.path,
            row=row,
            first=table.rows[0],
            last=table.rows[-1],
        )
    one = learner.arrange({"train": table.take([at])}, settings)["train"]
    columns = learner.columns({"train": one}, settings)
    # What a text may take is as long as the longest; conversations do not ask for the others.
    beside = learner.arrange({"train": table}, settings)["train"] if columns.target else one
    prepared = Prepared(str(one.path), {"train": beside}, columns, [])
    opened = learner.start(find_model(model), Chosen(model), prepared)
    learner.heed(opened, said)
    if columns.target:
        learner.adopt(opened, prepared)
    marked = learner.marked(opened, one, columns)
    if marked is None:
        raise SettingsError(
            "The task {task} learns no tokens of its rows; name one that writes, such as --task "
            "dialogue.",
            task=learner.name,
        )
    pieces = zip(marked.ids, marked.learned, strict=True)
    found = [_piece(opened.tokenizer, id, learned) for id, learned in pieces]
    return Sample(str(one.path), int(one.rows[0]), found, marked.closed, columns.layout)


def _piece(tokenizer: Tokenizer, id: int, learned: bool) -> Piece:
    (spelled,) = tokenizer.pieces([id])
    text = tokenizer.decode([id], skip_special=False)
    # A part of a character spells nothing by itself.
    return Piece(id, spelled, spelled if not text or "\ufffd" in text else text, bool(learned))
