"""The data doctor on its own."""

from pathlib import Path

from mason.data.findings import Finding
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.workflows.preparing import counter_of, data_settings, read_tables
from mason.workflows.tasks import find_task


def check(
    data: str | Path,
    *,
    task: str | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    **options: str | None,
) -> list[Finding]:
    """Everything the doctor finds in a table or a folder of splits.

    Args:
        data: As for ``mason.train``.
        task: What the table is for; None: classification.
        model: With it, lengths are checked in its tokens.
        max_tokens: Where texts will be cut; None: the model's limit.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Raises:
        MasonError: The data cannot be read.
    """
    tables, settings = read_tables(data_settings(data, options))
    reader = find_task(task)
    tables = reader.arrange(tables, settings)
    columns = reader.columns(tables, settings, complete=False)
    if model is None:
        return reader.examine(tables, columns)
    tokenizer = load_tokenizer(find_model(model))
    return reader.examine(
        tables,
        columns,
        token_counts=counter_of(tokenizer),
        max_tokens=max_tokens or tokenizer.max_tokens,
    )
