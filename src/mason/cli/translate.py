"""``mason translate`` and ``mason summarise``: a text for each text."""

import json
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.predict import standard_lines, typed_lines
from mason.errors import SettingsError
from mason.language import say

BATCH = 64
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
    """Translate a text, every row of a file, every line of standard input, or what you type."""
    return _write("translation", model, text, input, beams, json_lines)


def summarise(
    model: options.Trained,
    *,
    text: OneText = None,
    input: Rows = None,
    beams: Beams = 1,
    json_lines: options.JsonLines = False,
) -> int:
    """Summarise a text, every row of a file, every line of standard input, or what you type."""
    return _write("summarisation", model, text, input, beams, json_lines)


def _write(
    task: str, model: str, text: str | None, input: str | None, beams: int, json_lines: bool
) -> int:
    from mason.workflows import TextToText, load
    from mason.workflows.reading import read_sources

    ready = load(model)
    if not isinstance(ready, TextToText) or ready.task != task:
        raise SettingsError(
            "{model} was trained for {found}, not for {wanted}; mason --help names the command of "
            "its task.",
            model=model,
            found=ready.task,
            wanted=task,
        )
    ready.num_beams = beams
    typing = text is None and input is None and sys.stdin.isatty()
    texts: Iterable[str]
    if input is not None:
        texts = read_sources(input, task, text=text)
    elif text is not None:
        texts = [text]
    else:
        texts = typed_lines() if typing else standard_lines()
    rest = iter(texts)
    while some := list(islice(rest, 1 if typing else BATCH)):
        for given, written in zip(some, ready.predict(some), strict=True):
            told = {"text": given, "written": written}
            shown = json.dumps(told, ensure_ascii=False) if json_lines else _one_line(written)
            print(shown, flush=True)
    return 0


def _one_line(text: str) -> str:
    """A line for each text, so that lines of input and output belong together."""
    return " ".join(text.split())
