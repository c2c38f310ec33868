"""``mason predict``: a text, a file, standard input, or a conversation."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.cli.inputs import lines, typed
from mason.cli.outputs import whole_file
from mason.errors import SettingsError
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Classifier, Labelled, Labeller, Prediction, Regressor

BATCH = 256
OneText = Annotated[str | None, Parameter(help=say("A text; with --data, the texts' column."))]
Second = Annotated[str | None, Parameter(help=say("The second text of a pair, or its column."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts."))]
Csv = Annotated[
    str | None, Parameter(help=say("A csv file to write: text, label and probability, or value."))
]
Answered = Iterator[tuple[str, "Prediction | Labelled | float"]]


def predict(
    model: options.Trained,
    *,
    text: OneText = None,
    pair: Second = None,
    data: Rows = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: Csv = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Label or rate a text, every row of a file, every line of standard input, what you type."""
    from mason.workflows import Classifier, Labeller, Regressor, load
    from mason.workflows.reading import read_texts

    ready = load(model)
    if not isinstance(ready, Classifier | Labeller | Regressor):
        raise SettingsError(
            "{model} was trained for {task}, and mason predict is for classification, "
            "multilabel and regression; mason --help names the command of its task.",
            model=model,
            task=ready.task,
        )
    if data is not None:
        given = {"columns": columns, "encoding": encoding, "format": format}
        answered = _answer(ready, *read_texts(data, text=text, pair=pair, **given))
    elif text is not None:
        answered = _answer(ready, [text], None if pair is None else [pair])
    elif sys.stdin.isatty():
        answered = _answer(ready, typed(), batch=1)
    else:
        answered = _answer(ready, lines())
    _write(answered, Path(output)) if output else _print(answered, json_lines)
    return 0


def _answer(
    model: "Classifier | Labeller | Regressor",
    texts: Iterable[str],
    pairs: Iterable[str] | None = None,
    batch: int = BATCH,
) -> Answered:
    rest, seconds = iter(texts), None if pairs is None else iter(pairs)
    while some := list(islice(rest, batch)):
        others = [] if seconds is None else [list(islice(seconds, batch))]
        yield from zip(some, model.predict(some, *others), strict=True)


def _print(answered: Answered, json_lines: bool) -> None:
    from mason.workflows import Labelled

    for text, answer in answered:
        if json_lines:
            print(json.dumps({"text": text, **_told(answer)}, ensure_ascii=False), flush=True)
        elif isinstance(answer, float):
            print(f"{answer:.4g}\t{text}", flush=True)
        elif isinstance(answer, Labelled):
            print(f"{'; '.join(answer.labels)}\t{text}", flush=True)
        else:
            print(f"{answer.label}\t{answer.probability:.3f}\t{text}", flush=True)


def _told(answer: "Prediction | Labelled | float") -> dict[str, Any]:
    from mason.workflows import Labelled

    if isinstance(answer, float):
        return {"value": answer}
    if isinstance(answer, Labelled):
        return {"labels": list(answer.labels), "probabilities": answer.probabilities}
    return {
        "label": answer.label,
        "probability": answer.probability,
        "probabilities": answer.probabilities,
    }


def _write(answered: Answered, file: Path) -> None:
    import polars as pl

    rows = [{"text": text, **_told(answer)} for text, answer in answered]
    for row in rows:
        row |= {"labels": "; ".join(row["labels"])} if "labels" in row else {}
    names = [name for name in (rows[0] if rows else ["text"]) if name != "probabilities"]
    frame = pl.DataFrame({name: [row[name] for row in rows] for name in names})
    with whole_file(file) as stream:
        frame.write_csv(stream)
