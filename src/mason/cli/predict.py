"""``mason predict``: a text, a file, standard input, or a conversation."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.inputs import lines, typed
from mason.errors import RunError, SettingsError
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Classifier, Prediction

BATCH = 256
OneText = Annotated[str | None, Parameter(help=say("A text; with --data, the texts' column."))]
Second = Annotated[str | None, Parameter(help=say("The second text of a pair, or its column."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts."))]
Csv = Annotated[str | None, Parameter(help=say("A csv file to write: text, label, probability."))]
Labelled = Iterator[tuple[str, "Prediction"]]


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
    """Label a text, every row of a file, every line of standard input, or what you type."""
    from mason.workflows import Classifier, load
    from mason.workflows.reading import read_texts

    ready = load(model)
    if not isinstance(ready, Classifier):
        raise SettingsError(
            "{model} was trained for {task}, and mason predict is for classification; mason "
            "--help names the command of its task.",
            model=model,
            task=ready.task,
        )
    if data is not None:
        given = {"columns": columns, "encoding": encoding, "format": format}
        labelled = _label(ready, *read_texts(data, text=text, pair=pair, **given))
    elif text is not None:
        labelled = _label(ready, [text], None if pair is None else [pair])
    elif sys.stdin.isatty():
        labelled = _label(ready, typed(), batch=1)
    else:
        labelled = _label(ready, lines())
    _write(labelled, Path(output)) if output else _print(labelled, json_lines)
    return 0


def _label(
    model: "Classifier",
    texts: Iterable[str],
    pairs: Iterable[str] | None = None,
    batch: int = BATCH,
) -> Labelled:
    rest, seconds = iter(texts), None if pairs is None else iter(pairs)
    while some := list(islice(rest, batch)):
        others = None if seconds is None else list(islice(seconds, batch))
        yield from zip(some, model.predict(some, others), strict=True)


def _print(labelled: Labelled, json_lines: bool) -> None:
    for text, prediction in labelled:
        if json_lines:
            told = {"text": text, "label": prediction.label} | {
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
            }
            print(json.dumps(told, ensure_ascii=False), flush=True)
        else:
            print(f"{prediction.label}\t{prediction.probability:.3f}\t{text}", flush=True)


def _write(labelled: Labelled, file: Path) -> None:
    import polars as pl

    rows: Sequence[tuple[str, str, float]] = [
        (text, prediction.label, prediction.probability) for text, prediction in labelled
    ]
    frame = pl.DataFrame(rows, schema=["text", "label", "probability"], orient="row")
    draft = file.with_name(f".{file.name}.writing")
    try:
        with draft.open("wb") as stream:
            frame.write_csv(stream)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunError(
            "{path} cannot be written ({reason}); choose another place.",
            path=file,
            reason=error.strerror or error,
        ) from error
