"""``mason compress``."""

import shlex
import sys
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mason import language
from mason.cli import options
from mason.cli.overrides import read_overrides
from mason.cli.terminal import announce, notice
from mason.errors import SettingsError
from mason.language import say

_DROP = 0.01
Data = Annotated[
    str | None,
    Parameter(
        help=say("The data that the model was trained on, as for train; texts, for --weights int4.")
    ),
]
Drop = Annotated[
    float,
    Parameter(
        help=say(
            "Most of the score to lose, as a share: 0.01 is one point of accuracy, or one percent "
            "of perplexity."
        )
    ),
]
Size = Annotated[str | None, Parameter(help=say("Stop when it is this small, such as 20MB."))]
Latency = Annotated[
    str | None, Parameter(help=say("Stop when a text takes no longer than this, such as 5ms."))
]
Time = Annotated[
    str | None, Parameter(help=say("Time for searching, such as 30m; 10m if left out."))
]
Proof = Annotated[
    Literal["interval", "estimate"],
    Parameter(
        help=say("Whether an interval must exclude a larger drop, or the estimate is enough.")
    ),
]

Match = Annotated[
    bool,
    Parameter(
        help=say("Let smaller shapes learn what the original's layers give, not only its answers.")
    ),
]
Weights = Annotated[
    Literal["int4", "int8"] | None,
    Parameter(
        help=say(
            "Round a model that writes: int4 by what it does with the texts of --data; without "
            "any, each weight alone as it is read, however large the model."
        )
    ),
]


def compress(
    model: options.Trained,
    *settings: options.Setting,
    data: Data = None,
    max_drop: Drop = _DROP,
    target_size: Size = None,
    target_latency: Latency = None,
    budget: Time = None,
    proof: Proof = "interval",
    match_layers: Match = False,
    text: options.Text = None,
    label: options.Label = None,
    pair: options.Pair = None,
    group: options.Group = None,
    valid: options.Held = None,
    test: options.Held = None,
    weights: Weights = None,
    output: options.Folder = None,
) -> int:
    """Find the smallest model that keeps its score, and write it with its report."""
    from mason.workflows import compress as start

    if weights is not None:
        searching = (target_size, target_latency, budget, text, label, pair, group, valid, test)
        plain = not settings and not any(searching)
        plain &= max_drop == _DROP and proof == "interval" and not match_layers
        return _round(model, data, weights, output, plain=plain)
    if data is None:
        raise SettingsError("No data are named; give a file with --data, such as reviews.csv.")
    given = {"text": text, "label": label, "pair": pair, "group": group}
    given |= {"valid": valid, "test": test}
    named: dict[str, Any] = {f"data.{name}": value for name, value in given.items()}
    named |= {"training.budget": budget, "language": language.chosen()}
    run = start(
        model,
        data,
        max_drop=max_drop,
        target_size=target_size,
        target_latency=target_latency,
        proof=proof,
        match_layers=match_layers,
        output=output,
        notice=notice,
        command=shlex.join(["mason", *sys.argv[1:]]),
        **read_overrides(settings) | {k: v for k, v in named.items() if v is not None},
    )
    announce(run.results, run.report)
    return 0


def _round(
    model: str,
    data: str | None,
    weights: Literal["int4", "int8"],
    output: str | None,
    *,
    plain: bool,
) -> int:
    from mason.workflows.rounding import round_alone, round_weights

    if output is None or not plain:
        raise SettingsError(
            "--weights searches for nothing: give --output, --data or not, and no other option."
        )
    if data is None:
        round_alone(model, output, weights=weights)
    elif weights == "int4":
        round_weights(model, data, output=output, notice=notice)
    else:
        raise SettingsError("To 8 bits each weight is rounded alone; leave --data out.")
    notice(say("Written to {folder}; mason complete, chat and serve read it.", folder=output))
    return 0
