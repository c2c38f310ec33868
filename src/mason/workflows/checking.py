"""The data doctor on its own."""

from pathlib import Path

from mason.data.doctor import examine
from mason.data.findings import Finding
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.workflows.preparing import columns_of, data_settings, read_tables


def check(
    data: str | Path,
    *,
    model: str | None = None,
    max_tokens: int | None = None,
    **options: str | None,
) -> list[Finding]:
    """Everything the doctor finds in a table or a folder of splits.

    Args:
        data: As for ``mason.train``.
        model: With it, lengths are checked in its tokens.
        max_tokens: Where texts will be cut; None: the model's limit.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Raises:
        MasonError: The data cannot be read.
    """
    tables, settings = read_tables(data_settings(data, options))
    columns = columns_of(tables, settings, need_label=False)
    if model is None:
        return examine(tables, columns)
    tokenizer = load_tokenizer(find_model(model))
    return examine(
        tables,
        columns,
        token_counts=lambda texts: [len(ids) for ids in tokenizer.encode_ids(texts)],
        max_tokens=max_tokens or tokenizer.max_tokens,
    )
