"""``mason pretrain``."""

import shlex
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from mason import language
from mason.cli import options
from mason.cli.overrides import read_overrides
from mason.cli.terminal import Progress, announce, notice
from mason.cli.tokenizer import Corpus
from mason.language import say

Objective = Annotated[
    str | None,
    Parameter(
        help=say(
            "masked (the default), bert, albert, electra, causal, prefix, infilling, spans (T5) "
            "or denoising (BART)."
        )
    ),
]
Budget = Annotated[
    str | None, Parameter(help=say("What it may cost: 30m, 2h, 5e6 tokens or 1e15 flops."))
]
How = Annotated[
    Literal["modern", "published"] | None,
    Parameter(help=say("Shapes, rates and dropout of today, or those of the papers.")),
]
Shape = Annotated[
    str | None, Parameter(help=say("A published shape, such as bert-mini; else the budget's."))
]
Tokenizer = Annotated[
    str | None, Parameter(help=say("A folder or a model; else one is learned from the data."))
]
Continued = Annotated[
    str | None, Parameter(help=say("A model to go on with, instead of random weights."))
]


def pretrain(
    *settings: options.Setting,
    data: Corpus,
    output: Annotated[str, Parameter(help=say("The folder to write."))],
    objective: Objective = None,
    budget: Budget = None,
    recipe: How = None,
    shape: Shape = None,
    tokenizer: Tokenizer = None,
    model: Continued = None,
    text: options.Text = None,
    config: options.Config = None,
) -> int:
    """Learn a language model from text, within a budget."""
    from mason.workflows import pretrain as start

    named = {
        "training.budget": budget,
        "training.recipe": recipe,
        "model.shape": shape,
        "model.tokenizer": tokenizer,
        "model.source": model,
        "data.text": text,
        "language": language.chosen(),
    }
    with Progress() as progress:
        run = start(
            data,
            output=output,
            objective=objective,
            config=config,
            watch=progress,
            notice=notice,
            command=shlex.join(["mason", *sys.argv[1:]]),
            **read_overrides(settings) | {k: v for k, v in named.items() if v is not None},
        )
    announce(run.results, run.report)
    return 0
