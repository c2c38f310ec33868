"""Texts to predict from a table."""

from dataclasses import replace
from pathlib import Path

from mason.data.encodings import decode
from mason.data.questions import Question, find_question_columns, questions_of
from mason.data.tagged import find_tagged_columns, holds_words, sentences_of
from mason.errors import DataError
from mason.workflows.preparing import columns_of, data_settings, read_tables, texts_of
from mason.workflows.tasks import find_task


def read_texts(data: str | Path, **options: str | None) -> tuple[list[str], list[str] | None]:
    """The texts of every row, and the second ones where the rows are pairs.

    Args:
        data: As for ``mason.train``; of a folder, its first split.
        options: Fields of the ``data`` settings, such as ``text`` and ``encoding``.

    Raises:
        MasonError: The data cannot be read, or have no column of texts.
    """
    tables, settings = read_tables(data_settings(data, options))
    columns = columns_of(tables, settings, need_label=False)
    table = next(iter(tables.values()))
    seconds = texts_of(table, columns.pair) if columns.pair else None
    return texts_of(table, columns.text), seconds


def read_sources(data: str | Path, task: str, **options: str | None) -> list[str]:
    """The texts of every row that a task reads to write another.

    Args:
        data: As for ``read_texts``.
        task: Its name.
        options: As for ``read_texts``.

    Raises:
        MasonError: As for ``read_texts``.
    """
    reader = find_task(task)
    tables, settings = read_tables(data_settings(data, options))
    tables = reader.arrange(tables, settings)
    columns = reader.columns(tables, settings, complete=False)
    return texts_of(next(iter(tables.values())), columns.text)


def read_sentences(data: str | Path, **options: str | None) -> list[list[str]] | list[str]:
    """What a tagger shall read: the words of a file that holds words, else its texts.

    Raises:
        DataError: The file cannot be read, or it is not clear where its texts are.
    """
    tables, settings = read_tables(data_settings(data, options))
    table = next(iter(tables.values()))
    if settings.text is None and not holds_words(table):
        return read_texts(data, **options)[0]
    columns = find_tagged_columns(table, words=settings.text, need_tags=False)
    return [sentence.words for sentence in sentences_of(table, replace(columns, answer=None))]


def read_questions(data: str | Path, **options: str | None) -> list[Question]:
    """The questions of a table, each with its text.

    Raises:
        DataError: As above.
    """
    tables, settings = read_tables(data_settings(data, options))
    table = next(iter(tables.values()))
    found = find_question_columns(
        table, question=settings.pair, context=settings.text, need_answer=False
    )
    return questions_of(table, replace(found, answer=None))


def read_whole(path: Path, encoding: str | None = None) -> str:
    """A file as one text.

    Raises:
        DataError: It is not there, or in no encoding that fits.
    """
    if not path.is_file():
        raise DataError("There is no file {file}; check the path.", file=path)
    return decode(path.read_bytes(), path, encoding).text
