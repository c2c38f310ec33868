"""``mason predict``: a text, a file, standard input, or a conversation."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Model, Prediction

BATCH = 256
OneText = Annotated[str | None, Parameter(help=say("One text."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts."))]
Csv = Annotated[str | None, Parameter(help=say("A csv file to write: text, label, probability."))]


def predict(
    model: options.Trained,
    *,
    text: OneText = None,
    data: Rows = None,
    column: options.Text = None,
    output: Csv = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Label a text, every row of a file, every line of standard input, or what you type."""
    from mason.workflows import load

    ready = load(model)
    if text is not None:
        _print(zip([text], ready.predict([text]), strict=True), json_lines)
    elif data is not None:
        texts = _texts(data, column)
        labelled = zip(texts, ready.predict(texts), strict=True)
        _write(labelled, Path(output)) if output else _print(labelled, json_lines)
    elif sys.stdin.isatty():
        _converse(ready, json_lines)
    else:
        _print(_stream(ready, (line.rstrip("\n") for line in sys.stdin)), json_lines)
    return 0


def _texts(data: str, column: str | None) -> list[str]:
    from mason.data.columns import find_columns
    from mason.data.tables import read
    from mason.sources import find_data

    table = read(find_data(data))
    found = find_columns(table, text=column, need_label=False)
    return [text or "" for text in table.texts(found.text)]


def _stream(model: "Model", lines: Iterable[str]) -> "Iterator[tuple[str, Prediction]]":
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield from zip(batch, model.predict(batch), strict=True)


def _converse(model: "Model", json_lines: bool) -> None:
    print(say("Type a text and press Enter; an empty line ends."), file=sys.stderr)
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        _print([(line, model.predict(line))], json_lines)


def _print(labelled: "Iterable[tuple[str, Prediction]]", json_lines: bool) -> None:
    for text, prediction in labelled:
        if json_lines:
            told = {"text": text, "label": prediction.label} | {
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
            }
            print(json.dumps(told, ensure_ascii=False), flush=True)
        else:
            print(f"{prediction.label}\t{prediction.probability:.3f}\t{text}", flush=True)


def _write(labelled: "Iterable[tuple[str, Prediction]]", file: Path) -> None:
    import polars as pl

    rows: Sequence[tuple[str, str, float]] = [
        (text, prediction.label, prediction.probability) for text, prediction in labelled
    ]
    frame = pl.DataFrame(rows, schema=["text", "label", "probability"], orient="row")
    draft = file.with_name(f".{file.name}.writing")
    frame.write_csv(draft)
    draft.replace(file)
