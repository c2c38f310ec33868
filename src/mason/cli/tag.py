"""``mason tag``."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.predict import standard_lines, typed_lines
from mason.errors import SettingsError
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Tagged, Tagger

BATCH = 64
OneText = Annotated[str | None, Parameter(help=say("A text."))]
Input = Annotated[
    str | None, Parameter(help=say("A file of texts, a line each, or of words, as CoNLL has them."))
]
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def tag(
    model: options.Trained,
    text: OneText = None,
    *,
    input: Input = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Tag the words of a text, of every line of a file or of standard input, or of what you type.

    In a terminal the words are coloured by their tags; anywhere else each text is a JSON object.
    """
    from mason.workflows import Tagger, load
    from mason.workflows.reading import read_sentences

    ready = load(model)
    if not isinstance(ready, Tagger):
        raise SettingsError(
            "{model} was trained for {task}, and mason tag is for tagging; mason --help names the "
            "command of its task.",
            model=model,
            task=ready.task,
        )
    given: Iterable[str | Sequence[str]]
    waiting = text is None and input is None and sys.stdin.isatty()
    if text is not None:
        given = [text]
    elif input is not None:
        given = read_sentences(input, columns=columns, encoding=encoding, format=format)
    else:
        given = typed_lines() if waiting else standard_lines()
    show = _print if json_lines or not sys.stdout.isatty() else _colour
    for tagged in _tagged(ready, given, 1 if waiting else BATCH):
        show(tagged)
    return 0


def _tagged(
    model: "Tagger", given: Iterable[str | Sequence[str]], batch: int
) -> Iterator["Tagged"]:
    rest = iter(given)
    while some := list(islice(rest, batch)):
        yield from model.predict(some)


def _print(tagged: "Tagged") -> None:
    told = {"text": tagged.text, "words": [asdict(word) for word in tagged.words]}
    found = [{"type": kind, "text": text} for kind, text in tagged.entities]
    told |= {"entities": found} if found else {}
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _colour(tagged: "Tagged") -> None:
    """Each word with its tag behind it; a colour a tag, none for what is in no entity."""
    from rich.text import Text

    from mason.cli.terminal import console

    line = Text()
    for word in tagged.words:
        kind = word.tag.rpartition("-")[2]
        shade = _COLOURS[sum(kind.encode()) % len(_COLOURS)] if word.tag != "O" else ""
        line.append(word.word, style=shade)
        line.append(f"/{word.tag} " if word.tag != "O" else " ", style="dim")
    console().print(line)
