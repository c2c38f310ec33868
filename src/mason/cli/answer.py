"""``mason answer``."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.cli.predict import standard_lines
from mason.errors import SettingsError
from mason.language import say

if TYPE_CHECKING:
    from mason.tasks.answering import Answer
    from mason.workflows import Answerer

BATCH = 64
Asked = Annotated[str | None, Parameter(help=say("A question."))]
Context = Annotated[str | None, Parameter(help=say("The text to find the answer in."))]
Input = Annotated[
    str | None,
    Parameter(help=say("The file to find the answer in; without a question, a table of both.")),
]
Best = Annotated[int, Parameter(help=say("How many answers to show, the likeliest first."))]
_AROUND = 80
"""Characters shown on either side of an answer."""


def answer(
    model: options.Trained,
    question: Asked = None,
    *,
    context: Context = None,
    input: Input = None,
    best: Best = 1,
    text: options.Text = None,
    pair: options.Pair = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Find the answer to a question in a text, in a file or in standard input.

    In a terminal the answer is shown where it stands; anywhere else it is a JSON object.
    """
    from mason.data.questions import Question
    from mason.workflows import Answerer, load
    from mason.workflows.reading import read_questions, read_whole

    ready = load(model)
    if not isinstance(ready, Answerer):
        raise SettingsError(
            "{model} was trained for {task}, and mason answer is for answering; mason --help names "
            "the command of its task.",
            model=model,
            task=ready.task,
        )
    asked: list[Question]
    if question is None and input is None:
        raise SettingsError(
            'Nothing is asked; give a question, such as mason answer MODEL "Who …?" --input '
            "notes.txt, or a table of questions with --input."
        )
    if question is None:
        given = {"text": text, "pair": pair, "columns": columns}
        asked = read_questions(str(input), **given, encoding=encoding, format=format)
    elif context is not None:
        asked = [Question(question, context)]
    elif input is not None:
        asked = [Question(question, read_whole(Path(input), encoding))]
    else:
        asked = [Question(question, "\n".join(standard_lines()))]
    show = _print if json_lines or not sys.stdout.isatty() else _colour
    for one, found in _found(ready, asked, best):
        show(one, found)
    return 0


def _found(
    model: "Answerer", asked: Iterable[Any], best: int
) -> Iterator[tuple[Any, list["Answer"]]]:
    rest = iter(asked)
    while some := list(islice(rest, BATCH)):
        yield from zip(some, model.answers(some, best), strict=True)


def _print(asked: Any, found: list["Answer"]) -> None:
    told = {"question": asked.question, "answers": [asdict(answer) for answer in found]}
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _colour(asked: Any, found: list["Answer"]) -> None:
    """Each answer within the text around it."""
    from rich.text import Text

    from mason.cli.terminal import console

    for answer in found:
        line = Text(f"{answer.probability:.0%}  ", style="dim")
        if not answer.text:
            line.append(say("The text holds no answer."))
        before = asked.context[max(0, answer.start - _AROUND) : answer.start]
        after = asked.context[answer.end : answer.end + _AROUND] if answer.text else ""
        line.append(before if answer.text else "")
        line.append(answer.text, style="bold green")
        line.append(after)
        console().print(line)
