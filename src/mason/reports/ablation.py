"""What it can do without: the score without each layer and each head, as a heat map."""

from collections.abc import Mapping, Sequence
from typing import Any

from mason.language import say
from mason.reports.attention import place_in_words
from mason.reports.markup import Part, attribute, escape, facts, folded, heading, paragraph, table
from mason.reports.numbers import count, decimal
from mason.reports.schema import Results
from mason.reports.score_names import figure, is_share, score_in_words
from mason.reports.views import view_titles

Block = Mapping[str, Any]


def ablation(results: Results) -> Part | None:
    """The block ``extras.ablation``."""
    found = results.extras.get("ablation")
    if not found:
        return None
    parts: Sequence[Block] = found["parts"]
    layers = [part for part in parts if part["head"] is None]
    heads = [part for part in parts if part["head"] is not None]
    told = facts(
        [
            (score_in_words(found["score"]), _figure(found, found["whole"])),
            (say("Rows"), count(found["rows"])),
            (say("Layers that matter"), _needed(layers)),
            (say("Heads that matter"), _needed(heads)),
        ]
    )
    body = told + paragraph(verdict(found))
    for place in dict.fromkeys(part["place"] for part in heads):
        body += heading(place_in_words(place)) if len({p["place"] for p in heads}) > 1 else ""
        body += _map([p for p in heads if p["place"] == place], layers, found)
    body += folded(say("Every part with its interval"), _table(parts, found))
    return Part(
        view_titles()["ablation"],
        say(
            "Each layer and each head is switched off alone. In the cells is what the score does "
            "then: a drop is blue, a gain orange, and bold where all cells together leave no doubt "
            "(Holm). Nothing is trained again, and two heads may stand in for each other: a head "
            "that seems idle alone need not be idle."
        ),
        body,
    )


def verdict(found: Block) -> str:
    """How many heads the score surely misses, in one sentence."""
    heads = [part for part in found["parts"] if part["head"] is not None]
    sure = [part for part in heads if part["sure"] and part["change"] < 0]
    if not sure:
        return say(
            "No head alone is surely missed on these {rows} rows, of {heads}.",
            rows=count(found["rows"]),
            heads=count(len(heads)),
        )
    worst = min(sure, key=lambda part: float(part["change"]))
    return say(
        "{sure} of {heads} heads are surely missed; most of all head {head} of layer {layer} "
        "({change}).",
        sure=count(len(sure)),
        heads=count(len(heads)),
        head=worst["head"] + 1,
        layer=worst["layer"] + 1,
        change=change_in_words(found, worst["change"]),
    )


def change_in_words(found: Block, change: float) -> str:
    """A change of the score with its sign: points of a share, or the score's own unit."""
    share = is_share(found["score"])
    value = 100 * change if share else change
    return f"{value:+.1f}" if share else f"{value:+.2f}"


def _figure(found: Block, value: float) -> str:
    return escape(figure(found["score"], value))


def _needed(parts: Sequence[Block]) -> str:
    sure = sum(part["sure"] and part["change"] < 0 for part in parts)
    return escape(say("{shown} of {all}", shown=sure, all=len(parts)))


def _map(heads: Sequence[Block], layers: Sequence[Block], found: Block) -> str:
    """Layers from the top down, as they are passed last to first; the whole layer stands first."""
    stack = "decoder" if heads[0]["place"] == "cross" else heads[0]["place"]
    whole = {part["layer"]: part for part in layers if part["place"] == stack}
    largest = max((abs(p["change"]) for p in [*heads, *whole.values()]), default=0.0) or 1.0
    width = 1 + max(part["head"] for part in heads)
    names = "".join(f'<th scope="col">{head}</th>' for head in range(1, width + 1))
    rows = ""
    for layer in sorted(whole, reverse=True):
        mine = sorted((p for p in heads if p["layer"] == layer), key=lambda p: int(p["head"]))
        cells = "".join(_cell(part, largest, found) for part in [whole[layer], *mine])
        name = escape(say("Layer {number}", number=layer + 1))
        rows += f'<tr><th scope="row">{name}</th>{cells}</tr>'
    corner, all_of = escape(say("head →")), escape(say("whole layer"))
    return (
        '<div class="scroll" tabindex="0"><table class="matrix">'
        f'<thead><tr><th>{corner}</th><th scope="col">{all_of}</th>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(part: Block, largest: float, found: Block) -> str:
    tone = "right" if part["change"] < 0 else "wrong"
    # The root, so that heads are seen beside whole layers.
    share = (abs(part["change"]) / largest) ** 0.5
    shown = change_in_words(found, part["change"]) if part["change"] else "·"
    shown = f"<strong>{shown}</strong>" if part["sure"] else shown
    hint = attribute(_interval(part, found))
    return f'<td class="{tone}" style="--share:{share:.2f}" title="{hint}">{shown}</td>'


def _interval(part: Block, found: Block) -> str:
    low, high = (change_in_words(found, part[name]) for name in ("low", "high"))
    return f"{low} … {high}"


def _table(parts: Sequence[Block], found: Block) -> str:
    heads = [say("Part"), say("Change"), say("95 % interval"), say("p, by Holm")]
    rows = [
        [
            escape(part_in_words(part)),
            change_in_words(found, part["change"]),
            escape(_interval(part, found)),
            decimal(part["adjusted"], 2),
        ]
        for part in sorted(parts, key=lambda part: float(part["change"]))
    ]
    return table(heads, rows, kind="stack", numeric=3)


def part_in_words(part: Block) -> str:
    """Which layer, or which head of it."""
    if part["head"] is None:
        return say("Layer {number}", number=part["layer"] + 1)
    told = say("Layer {layer}, head {head}", layer=part["layer"] + 1, head=part["head"] + 1)
    return f"{told} · {place_in_words(part['place'])}" if part["place"] == "cross" else told
