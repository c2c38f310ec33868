"""``mason translate`` and ``mason summarise``: a text for each text."""

import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options, writing
from mason.cli.inputs import lines, typed
from mason.errors import SettingsError
from mason.language import say

BATCH = 64
CODE = "code-translation"
TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".gz")
"""Files whose rows are texts, packed or not; any other has a text a line, or is one program."""
OneText = Annotated[str | None, Parameter(help=say("A text; with --input, the texts' column."))]
Rows = Annotated[str | None, Parameter(help=say("A file of texts, a line or a row each."))]
Beams = Annotated[
    int, Parameter(help=say("Texts that are followed at once; more are slower and often better."))
]


def translate(
    model: options.Trained,
    *,
    text: OneText = None,
    input: Rows = None,
    beams: Beams = 1,
    json_lines: options.JsonLines = False,
) -> int:
    """Translate a text, every row of a file, every line of standard input, or what you type.

    A model for code-translation reads a program whole, from a file or standard input.
    """
    return _write(("translation", CODE), model, text, input, beams, json_lines)


def summarise(
    model: options.Trained,
    *,
    text: OneText = None,
    input: Rows = None,
    beams: Beams = 1,
    json_lines: options.JsonLines = False,
) -> int:
    """Summarise a text, every row of a file, every line of standard input, or what you type."""
    return _write(("summarisation",), model, text, input, beams, json_lines)


def _write(
    tasks: Sequence[str],
    model: str,
    text: str | None,
    input: str | None,
    beams: int,
    json_lines: bool,
) -> int:
    from mason.workflows import Rewriter, load
    from mason.workflows.reading import read_sources, read_whole

    ready = load(model)
    if not isinstance(ready, Rewriter) or ready.task not in tasks:
        raise SettingsError(
            "{model} was trained for {found}, not for {wanted}; mason --help names the command of "
            "its task.",
            model=model,
            found=ready.task,
            wanted=tasks[0],
        )
    ready.num_beams = beams
    whole = ready.task == CODE
    typing = text is None and input is None and sys.stdin.isatty()
    texts: Iterable[str]
    lined = input is not None and Path(input).is_file() and Path(input).suffix not in TABLES
    if input is not None and lined and text is None:
        found = read_whole(Path(input)).replace("\r\n", "\n")
        # Blank lines stay, so that lines of input and output belong together.
        texts = [found] if whole else found.removesuffix("\n").split("\n")
    elif input is not None:
        texts = read_sources(input, ready.task, text=text)
    elif text is not None:
        texts = [text]
    elif whole and not typing:
        texts = ["".join(f"{line}\n" for line in lines())]
    else:
        texts = typed() if typing else lines()
    if (typing or text is not None) and sys.stdout.isatty() and beams == 1 and not json_lines:
        for given in texts:
            writing.show(ready.stream(given))
        return 0
    rest = iter(texts)
    while some := list(islice(rest, 1 if typing else BATCH)):
        for given, written in zip(some, ready.predict(some), strict=True):
            told = {"text": given, "written": written}
            plain = written.rstrip("\n") if whole else _one_line(written)
            print(json.dumps(told, ensure_ascii=False) if json_lines else plain, flush=True)
    return 0


def _one_line(text: str) -> str:
    """A line for each text, so that lines of input and output belong together."""
    return " ".join(text.split())
