"""``mason evaluate``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import announce
from mason.errors import SettingsError
from mason.language import say

Shots = Annotated[
    str | None,
    Parameter(help=say("Of a language model: numbers of examples to show it, such as 0,1,4,16.")),
]
Template = Annotated[
    str | None,
    Parameter(help=say("One such example, with text and, at its end, label in braces.")),
]
EveryRow = Annotated[
    bool, Parameter(help=say("Write for every row, not for 1,000 of them, drawn once."))
]
Tuned = Annotated[
    str | None,
    Parameter(help=say("With --shots: a model trained for the task, to measure on the same rows.")),
]


def evaluate(
    model: options.Trained,
    *,
    data: options.Tested,
    reading: options.Reading = options.ANYHOW,
    output: options.Folder = None,
    every_row: EveryRow = False,
    shots: Shots = None,
    template: Template = None,
    task: options.Task = None,
    tuned: Tuned = None,
) -> int:
    """Measure a trained model on a table it has not seen, or a language model by its prompt."""
    from mason.workflows import evaluate as measure

    if shots is not None:
        if every_row:
            raise SettingsError("--every-row does not go with --shots, which asks about 500 rows.")
        from mason.workflows.few_shots import curve_in_words, few_shot

        curve = few_shot(
            model,
            data,
            task=task,
            shots=_numbers(shots),
            template=template.replace("\\n", "\n") if template else None,
            tuned=tuned,
            output=output,
            **reading.given(),
        )
        print(curve_in_words(curve))
        return 0
    for name, given in (("--template", template), ("--task", task), ("--tuned", tuned)):
        if given is not None:
            raise SettingsError(
                "{option} is for --shots; leave it out, or say how many to show.", option=name
            )
    command = shlex.join(["mason", *sys.argv[1:]])
    results = measure(
        model, data, output=output, command=command, every_row=every_row, **reading.given()
    )
    announce(results, Path(output) / "report.html" if output else None)
    return 0


def _numbers(shots: str) -> list[int]:
    parts = [part.strip() for part in shots.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(
            "--shots is {shots!r}; give numbers parted by commas, such as 0,1,4,16.", shots=shots
        )
    return [int(part) for part in parts]
