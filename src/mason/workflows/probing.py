"""What each layer of a model knows of a user's labels: linear probes beside their controls."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.data.tables import Table
from mason.data.tagged import find_tagged_columns, holds_words, sentences_of
from mason.errors import DataError
from mason.explanation.probes import (
    Vectors,
    controls_of_texts,
    controls_of_words,
    layer_vectors,
    probe,
)
from mason.settings import DataSettings
from mason.tasks.tagging import examples_of
from mason.text.splitting import split_words
from mason.workflows import results as blocks
from mason.workflows.explaining import some_rows, write_page
from mason.workflows.loading import load_as_it_is
from mason.workflows.model import Model
from mason.workflows.preparing import columns_of, data_settings, read_tables, texts_of

ROWS = 1000
_MOST_WORDS = 5000
_HELD, _SEED = 0.25, 0
_FEWEST = 8


@dataclass(frozen=True)
class _Items:
    """What labels are of: words, or texts."""

    kind: str
    vectors: Vectors
    names: list[str]
    """The label of each."""
    controls: list[int]
    groups: NDArray[np.int64]
    """The row each item is of; a row is held out whole."""


def view_probes(
    model: Model | str | Path,
    data: str | Path,
    *,
    rows: int = ROWS,
    output: str | Path | None = None,
    command: str | None = None,
    **options: str | None,
) -> dict[str, Any]:
    """How well a linear map reads labels out of each layer, beside labels that are random.

    Args:
        model: A model, or a name as for ``mason.load``; its task need not be that of the labels.
        data: A table of texts with labels, or of words with tags.
        rows: How many at most, evenly over the table; a quarter of them is measured on.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds; the view is in ``extras.probes``.

    Raises:
        MasonError: Model or data cannot be read, or there are too few rows.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    ready.network.eval()
    tables, settings = read_tables(data_settings(data, options))
    table = some_rows(tables["train" if "train" in tables else next(iter(tables))], rows)
    items = (_words if holds_words(table) else _texts)(ready, table, settings)
    labels = sorted(set(items.names))
    held = _held(items, table)
    numbers = [labels.index(name) for name in items.names]
    found = probe(items.vectors, numbers, items.controls, held)
    known = np.asarray(numbers)
    commonest = np.bincount(known[~held]).argmax()
    results = blocks.header("explain", {"labels": labels}, ready, command)
    results["extras"] = {
        "probes": {
            "kind": items.kind,
            "fitted": int((~held).sum()),
            "held": int(held.sum()),
            "labels": labels,
            "commonest": float((known[held] == commonest).mean()),
            "layers": [asdict(one) for one in found],
        }
    }
    write_page(results, output)
    return results


def _held(items: _Items, table: Table) -> NDArray[np.bool_]:
    kinds = np.unique(items.groups)
    if len(kinds) < _FEWEST or len(set(items.names)) < 2:
        raise DataError(
            "{file} has {rows} rows with {labels} labels here; a probe needs {least} rows or more, "
            "and two labels.",
            file=table.path,
            rows=len(kinds),
            labels=len(set(items.names)),
            least=_FEWEST,
        )
    chosen = np.random.default_rng(_SEED).permutation(kinds)[: max(1, round(_HELD * len(kinds)))]
    return np.isin(items.groups, chosen)


def _texts(model: Model, table: Table, settings: DataSettings) -> _Items:
    """Whole texts: the mean of their tokens."""
    columns = columns_of({"train": table}, settings)
    assert columns.label is not None, "labels are asked for"
    names = table.texts(columns.label)
    kept = [i for i, name in enumerate(names) if name is not None]
    texts = [texts_of(table, columns.text)[i] for i in kept]
    names = [str(names[i]) for i in kept]
    read = model.tokenizer.encode(texts, max_tokens=model.max_tokens)
    words = [[text[a:b].lower() for a, b in split_words(text)] for text in texts]
    return _Items(
        "texts",
        layer_vectors(model.network, [encoding.ids for encoding in read]),
        [str(name) for name in names],
        controls_of_texts(words, len(set(names)), _SEED),
        np.arange(len(kept)),
    )


def _words(model: Model, table: Table, settings: DataSettings) -> _Items:
    """Words: the piece that stands for each, as for a tagger."""
    columns = find_tagged_columns(table, words=settings.text, tags=settings.label)
    sentences, count = [], 0
    for sentence in sentences_of(table, columns):
        sentences.append(sentence)
        count += len(sentence.words)
        if count >= _MOST_WORDS:
            break
    examples = examples_of(
        [s.words for s in sentences],
        model.tokenizer,
        max_tokens=model.max_tokens,
        last=model.network.spec.topology == "decoder",
    )
    order = np.concatenate([np.asarray(words, dtype=np.int64) for words in examples.words])
    words = [word.lower() for s in sentences for word in s.words]
    tags = [tag for s in sentences for tag in s.tags or ()]
    owners = [i for i, s in enumerate(sentences) for _ in s.words]
    known = {tag: i for i, tag in enumerate(sorted(set(tags)))}
    random = controls_of_words(words, [known[tag] for tag in tags], _SEED)
    return _Items(
        "words",
        layer_vectors(model.network, examples.tokens, examples.rows),
        [tags[i] for i in order],
        [random[i] for i in order],
        np.asarray([owners[i] for i in order]),
    )
