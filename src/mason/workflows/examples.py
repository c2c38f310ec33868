"""A table as a model's examples."""

from collections.abc import Sequence
from dataclasses import replace

from mason.data.columns import Columns
from mason.data.tables import Table
from mason.data.token_cache import TokenCache, fingerprint
from mason.sources import cache_folder
from mason.tasks.classification import Examples
from mason.workflows.model import Model


def examples_of(model: Model, table: Table, columns: Columns) -> Examples:
    """Tokens and class numbers; the tokens of single texts come from the cache."""
    texts = texts_of(table, columns.text)
    targets = targets_of(table, columns, model.labels)
    if columns.pair:
        seconds = texts_of(table, columns.pair)
        return replace(model.encode(texts, seconds), targets=targets)
    tokens = TokenCache(cache_folder() / "tokens").get(
        texts,
        fingerprint=fingerprint(model.tokenizer.fingerprint, max_length=model.max_tokens),
        build=lambda part: [list(ids) for ids in model.encode(part).tokens],
    )
    return Examples([ids.tolist() for ids in tokens], None, targets)


def num_tokens(model: Model, table: Table, columns: Columns, examples: Examples) -> list[int]:
    """Tokens of each row before it is cut; only those at the limit are counted again."""
    lengths = examples.lengths
    full = [i for i, length in enumerate(lengths) if length == model.max_tokens]
    if full:
        rows = table.take(full)
        seconds = texts_of(rows, columns.pair) if columns.pair else None
        counts = model.num_tokens(texts_of(rows, columns.text), seconds)
        lengths = list(lengths)
        for i, count in zip(full, counts, strict=True):
            lengths[i] = count
    return lengths


def texts_of(table: Table, column: str) -> list[str]:
    """A column's texts, missing ones empty."""
    return [text or "" for text in table.texts(column)]


def targets_of(table: Table, columns: Columns, labels: Sequence[str]) -> list[int]:
    """Class numbers of a table's labels."""
    assert columns.label is not None, "targets come from labels"
    numbers = {label: i for i, label in enumerate(labels)}
    return [numbers[str(label)] for label in table.texts(columns.label)]
