"""What each layer knows of the labels: probes beside their controls."""

from collections.abc import Mapping, Sequence
from typing import Any

from mason.language import say
from mason.reports.charts import Line, axis, line_chart
from mason.reports.markup import Part, escape, facts, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Results
from mason.reports.views import view_titles

Block = Mapping[str, Any]


def probes(results: Results) -> Part | None:
    """The block ``extras.probes``."""
    found = results.extras.get("probes")
    if not found:
        return None
    told = facts(
        [
            (say("Labels"), count(len(found["labels"]))),
            (say("Fitted to"), count(found["fitted"])),
            (say("Measured on"), count(found["held"])),
            (say("Commonest label for all"), percent(found["commonest"])),
        ]
    )
    body = told + paragraph(best_layer(found)) + paragraph(control_in_words(found), "muted")
    body += _chart(found) + _table(found["layers"])
    return Part(
        view_titles()["probes"],
        say(
            "A linear map is fitted to the vectors of each layer. The control is the same map "
            "fitted to random labels, which nothing but memory for words can tell: what the right "
            "labels have beyond it is selectivity. That a layer holds something does not say that "
            "the model uses it."
        ),
        body,
    )


def best_layer(found: Block) -> str:
    """The most selective layer, in one sentence."""
    best = max(found["layers"], key=lambda one: float(one["selectivity"]))
    return say(
        "Most selective is layer {layer}: right on {accuracy}, on random labels {control}; "
        "selectivity {selectivity:+.1f} points ({low:+.1f} to {high:+.1f}).",
        layer=best["layer"],
        accuracy=percent(best["accuracy"]),
        control=percent(best["control"]),
        selectivity=100 * best["selectivity"],
        low=100 * best["low"],
        high=100 * best["high"],
    )


def control_in_words(found: Block) -> str:
    """What the random labels are."""
    if found["kind"] == "words":
        return say(
            "Control: each word has one random label wherever it stands, drawn as often as the "
            "labels occur."
        )
    return say(
        "Control: each word has random votes, and a text has the label that its words give most; "
        "for no text comes twice, and a label drawn for it could not be remembered."
    )


def _chart(found: Block) -> str:
    layers: Sequence[Block] = found["layers"]
    lines = [
        Line(
            say("right labels"), [(p["layer"], p["accuracy"]) for p in layers], "first", dots=True
        ),
        Line(
            say("random labels"), [(p["layer"], p["control"]) for p in layers], "second", dots=True
        ),
    ]
    return line_chart(
        lines,
        title=say("Right on unseen items, by layer"),
        description=best_layer(found),
        across=axis([p["layer"] for p in layers], low=0, snug=True),
        up=axis([0, 1], low=0, high=1, write=lambda y: percent(y, 0)),
        across_name=say("layer; 0 is the embedding"),
    )


def _table(layers: Sequence[Block]) -> str:
    heads = [say("Layer"), say("Right"), say("Control"), say("Selectivity"), say("95 % interval")]
    rows = [
        [
            escape(say("Layer {number}", number=one["layer"])),
            percent(one["accuracy"]),
            percent(one["control"]),
            f"{100 * one['selectivity']:+.1f}",
            f"{100 * one['low']:+.1f} … {100 * one['high']:+.1f}",
        ]
        for one in layers
    ]
    return table(heads, rows, kind="stack", numeric=4)
