"""``mason embed``: texts as vectors."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli.inputs import lines
from mason.cli.outputs import whole_file
from mason.errors import SettingsError
from mason.language import say

if TYPE_CHECKING:
    import numpy as np

    from mason.workflows import Embedder

BATCH = 256
Source = Annotated[str, Parameter(help=say("A model trained for embedding, or any other by name."))]
OneText = Annotated[str | None, Parameter(help=say("A text."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts, a table or a line each."))]
Column = Annotated[str | None, Parameter(help=say("The texts' column in the file."))]
Out = Annotated[str | None, Parameter(help=say("A .npy file of rows, or a .jsonl file, to write."))]


def embed(
    model: Source,
    text: OneText = None,
    *,
    input: Rows = None,
    column: Column = None,
    output: Out = None,
) -> int:
    """Turn a text, every row of a file, or every line of standard input into a vector.

    Without an output each text and its vector are a JSON object on a line.
    """
    from mason.workflows import Embedder, load
    from mason.workflows.reading import read_texts

    if output is not None and Path(output).suffix not in (".npy", ".jsonl"):
        raise SettingsError(
            "{path} is neither a .npy nor a .jsonl file; name the output so.", path=output
        )
    ready = load(model, task=Embedder.task)
    assert isinstance(ready, Embedder)
    if text is not None and input is not None:
        raise SettingsError("A text and --input are given; keep one.")
    given: Iterable[str] = [text] if text is not None else lines()
    if input is not None:
        given = read_texts(input, text=column)[0]
    found = _embedded(ready, given)
    if output is None:
        for line in _as_json(found):
            print(line, flush=True)
    else:
        _write(found, Path(output))
    return 0


def _embedded(model: "Embedder", given: Iterable[str]) -> Iterator[tuple[str, "np.ndarray"]]:
    rest = iter(given)
    while some := list(islice(rest, BATCH)):
        yield from zip(some, model.predict(some), strict=True)


def _as_json(found: Iterable[tuple[str, "np.ndarray"]]) -> Iterator[str]:
    for text, vector in found:
        told = {"text": text, "embedding": [float(f"{x:.7g}") for x in vector.tolist()]}
        yield json.dumps(told, ensure_ascii=False)


def _write(found: Iterable[tuple[str, "np.ndarray"]], file: Path) -> None:
    import numpy as np

    with whole_file(file) as stream:
        if file.suffix == ".npy":
            np.save(stream, np.array([vector for _, vector in found], np.float32))
        else:
            stream.writelines(f"{line}\n".encode() for line in _as_json(found))
