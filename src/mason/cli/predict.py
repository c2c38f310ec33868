"""``mason predict``: a text, a file, standard input, or a conversation."""

import io
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.errors import DataError, RunError, SettingsError
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Classifier, Prediction, Regressor

BATCH = 256
OneText = Annotated[str | None, Parameter(help=say("A text; with --data, the texts' column."))]
Second = Annotated[str | None, Parameter(help=say("The second text of a pair, or its column."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts."))]
Csv = Annotated[
    str | None, Parameter(help=say("A csv file to write: text, label and probability, or value."))
]
Answered = Iterator[tuple[str, "Prediction | float"]]


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
    from mason.workflows import Classifier, Regressor, load
    from mason.workflows.reading import read_texts

    ready = load(model)
    if not isinstance(ready, Classifier | Regressor):
        raise SettingsError(
            "{model} was trained for {task}, and mason predict is for classification and "
            "regression; mason --help names the command of its task.",
            model=model,
            task=ready.task,
        )
    if data is not None:
        given = {"columns": columns, "encoding": encoding, "format": format}
        answered = _answer(ready, *read_texts(data, text=text, pair=pair, **given))
    elif text is not None:
        answered = _answer(ready, [text], None if pair is None else [pair])
    elif sys.stdin.isatty():
        answered = _answer(ready, typed_lines(), batch=1)
    else:
        answered = _answer(ready, standard_lines())
    _write(answered, Path(output)) if output else _print(answered, json_lines)
    return 0


def _answer(
    model: "Classifier | Regressor",
    texts: Iterable[str],
    pairs: Iterable[str] | None = None,
    batch: int = BATCH,
) -> Answered:
    rest, seconds = iter(texts), None if pairs is None else iter(pairs)
    while some := list(islice(rest, batch)):
        others = [] if seconds is None else [list(islice(seconds, batch))]
        yield from zip(some, model.predict(some, *others), strict=True)


def standard_lines() -> Iterator[str]:
    """The lines of standard input.

    Raises:
        DataError: It is in another encoding.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="strict")  # the locale C lets anything through
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise DataError(
            "Standard input is not {encoding}; give the file with --data, then its encoding is "
            "found.",
            encoding=sys.stdin.encoding,
        ) from None


def typed_lines() -> Iterator[str]:
    """What a person types, up to an empty line."""
    print(say("Type a text and press Enter; an empty line ends."), file=sys.stderr)
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def _print(answered: Answered, json_lines: bool) -> None:
    for text, answer in answered:
        if json_lines:
            print(json.dumps({"text": text, **_told(answer)}, ensure_ascii=False), flush=True)
        elif isinstance(answer, float):
            print(f"{answer:.4g}\t{text}", flush=True)
        else:
            print(f"{answer.label}\t{answer.probability:.3f}\t{text}", flush=True)


def _told(answer: "Prediction | float") -> dict[str, Any]:
    if isinstance(answer, float):
        return {"value": answer}
    return {
        "label": answer.label,
        "probability": answer.probability,
        "probabilities": answer.probabilities,
    }


def _write(answered: Answered, file: Path) -> None:
    import polars as pl

    rows = [{"text": text, **_told(answer)} for text, answer in answered]
    names = [name for name in (rows[0] if rows else ["text"]) if name != "probabilities"]
    frame = pl.DataFrame({name: [row[name] for row in rows] for name in names})
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
