"""What each layer would say: the logit lens."""

from collections.abc import Mapping, Sequence
from typing import Any

from mason.language import say
from mason.reports.charts import Line, axis, line_chart
from mason.reports.markup import Part, bar, escape, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Results
from mason.reports.views import view_titles

Block = Mapping[str, Any]


def lens(results: Results) -> Part | None:
    """The block ``extras.lens``: each layer's likeliest tokens, and how likely the answer is."""
    found = results.extras.get("lens")
    if not found:
        return None
    layers: Sequence[Block] = found["layers"]
    token = found["token"]
    body = paragraph(found["text"], "words") + paragraph(said_when(found))
    body += _chart(layers, token) + _table(layers, token)
    return Part(
        view_titles()["lens"],
        say(
            "The model's last norm and output matrix, put on the rows of every layer. Only the "
            "last layer was trained to be read so: an early one may know more than it seems to "
            "say."
        ),
        body,
    )


def said_when(found: Block) -> str:
    """From which layer on the token is the likeliest, in one sentence."""
    layers, token = found["layers"], found["token"]
    last = layers[-1]
    if last["rank"] > 1:
        return say(
            "{token} is number {rank} of what the model would say ({probability}).",
            token=f"“{token}”",
            rank=count(last["rank"]),
            probability=percent(last["probability"]),
        )
    first = last["layer"]
    for one in reversed(layers):
        if one["rank"] > 1:
            break
        first = one["layer"]
    return say(
        "The model says {token} ({probability}); it is the likeliest from layer {first} of {last} "
        "on.",
        token=f"“{token}”",
        probability=percent(last["probability"]),
        first=first,
        last=last["layer"],
    )


def _chart(layers: Sequence[Block], token: str) -> str:
    points = [(one["layer"], one["probability"]) for one in layers]
    title = say("Probability of {token} after each layer", token=f"“{token}”")
    return line_chart(
        [Line(title, points, "first", dots=True)],
        title=title,
        description=said_when({"layers": layers, "token": token}),
        across=axis([x for x, _ in points], low=0, snug=True),
        up=axis([y for _, y in points], low=0, high=1, write=lambda y: percent(y, 0)),
        across_name=say("layer; 0 is the embedding"),
    )


def _table(layers: Sequence[Block], token: str) -> str:
    heads = [
        say("Layer"),
        "",
        say("Likeliest tokens"),
        f"“{token}”",
        say("Its rank"),
    ]
    rows = [
        [
            escape(say("Layer {number}", number=one["layer"])),
            bar(one["probability"]),
            ", ".join(
                f'<span class="nowrap">{_token(top["token"], token)} '
                f'<span class="muted">{percent(top["probability"], 0)}</span></span>'
                for top in one["top"]
            ),
            percent(one["probability"]),
            count(one["rank"]),
        ]
        for one in reversed(layers)
    ]
    return table(heads, rows, kind="bars stack lens", numeric=2)


def _token(name: str, token: str) -> str:
    return f"<strong>{escape(name)}</strong>" if name == token else escape(name)
