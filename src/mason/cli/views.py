"""Views into a model, for the terminal."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from mason.cli.terminal import console
from mason.language import say

Block = Mapping[str, Any]
_BLOCKS = " ▁▂▃▄▅▆▇█"


def show(extras: Mapping[str, Any], *, json_lines: bool) -> None:
    """Print a view: a table and what it says, or its block as JSON."""
    views: dict[str, Callable[[Block], None]] = {
        "attention": _attention,
        "lens": _lens,
        "ablation": _ablation,
        "probes": _probes,
        "neighbours": _neighbours,
    }
    if json_lines:
        print(json.dumps(extras, ensure_ascii=False))
        return
    for name, view in views.items():
        if name in extras:
            view(extras[name])
    if "explanations" in extras:
        for picture in extras["explanations"]["pictures"]:
            _rollout(picture)


def _rollout(picture: Block, most: int = 8) -> None:
    """What attention of all layers together brings to the answer, if that can be believed."""
    from mason.reports.explanations import judged_in_words

    console().print(f"[bold]{_plain(picture['answer'])}[/bold]  {picture['method']}")
    if picture["withheld"]:
        print(picture["withheld"])
        return
    ranked = sorted(picture["words"], key=lambda word: -abs(word["weight"]))[:most]
    print(", ".join(f"{word['text']} {word['weight']:.2f}" for word in ranked))
    print(judged_in_words(picture["trust"]["faithfulness"]))


def _attention(found: Block) -> None:
    from mason.reports.attention import honest, place_in_words

    for kind in found["kinds"]:
        if not kind["layers"]:
            continue
        if len(found["kinds"]) > 1:
            console().print(f"[bold]{place_in_words(kind['place'])}[/bold]")
        alone = len(kind["layers"]) == 1 and len(kind["layers"][0]["heads"]) == 1
        (_one_head if alone else _habits)(kind)
    print(honest())


def _habits(kind: Block) -> None:
    """Where each head mostly looks."""
    from mason.reports.attention import habit_in_words

    def cell(head: Block) -> str:
        return f"{habit_in_words(head['habit'])} {head['share']:.0%}"

    names = [
        say("Layer"),
        *(say("Head {number}", number=h["head"]) for h in kind["layers"][0]["heads"]),
    ]
    table = _table(names)
    for layer in kind["layers"]:
        table.add_row(str(layer["layer"]), *map(cell, layer["heads"]))
    console().print(table)


def _one_head(kind: Block, most: int = 4) -> None:
    """Of each token, what the head looks at most."""
    table = _table([say("Token"), say("Looks at")])
    for name, row in zip(kind["queries"], kind["layers"][0]["heads"][0]["percent"], strict=True):
        shares = sorted(zip(map(int, row.split()), kind["keys"], strict=True), key=lambda s: -s[0])
        seen = ", ".join(f"{key} {share} %" for share, key in shares[:most] if share >= 5)
        table.add_row(_plain(name), _plain(seen))
    console().print(table)


def _lens(found: Block) -> None:
    from mason.reports.lens import said_when

    table = _table([say("Layer"), found["token"], "", say("Its rank"), say("Likeliest tokens")])
    for one in found["layers"]:
        top = ", ".join(f"{t['token']} {t['probability']:.0%}" for t in one["top"])
        block = _BLOCKS[round(one["probability"] * (len(_BLOCKS) - 1))]
        figures = (str(one["layer"]), f"{one['probability']:.1%}", block, f"{one['rank']:,}")
        table.add_row(*figures, _plain(top))
    console().print(table)
    print(said_when(found))


def _ablation(found: Block, most: int = 12) -> None:
    from mason.reports.ablation import change_in_words, part_in_words, verdict
    from mason.reports.score_names import score_in_words

    shown = sorted(found["parts"], key=lambda part: float(part["change"]))[:most]
    table = _table([say("Part"), say("Change"), say("95 % interval"), say("p, by Holm")])
    for part in shown:
        change, low, high = (change_in_words(found, part[k]) for k in ("change", "low", "high"))
        table.add_row(part_in_words(part), change, f"{low} … {high}", f"{part['adjusted']:.3f}")
    console().print(table)
    whole = {
        "score": score_in_words(found["score"]),
        "value": found["whole"],
        "rows": found["rows"],
    }
    print(say("{score} of the whole model: {value:.3f}, on {rows:,} rows.", **whole))
    print(verdict(found))


def _probes(found: Block) -> None:
    from mason.reports.probes import best_layer, control_in_words

    heads = [say("Layer"), say("Right"), say("Control"), say("Selectivity"), say("95 % interval")]
    table = _table(heads)
    for one in found["layers"]:
        interval = f"{100 * one['low']:+.1f} … {100 * one['high']:+.1f}"
        figures = (f"{one['accuracy']:.1%}", f"{one['control']:.1%}")
        table.add_row(str(one["layer"]), *figures, f"{100 * one['selectivity']:+.1f}", interval)
    console().print(table)
    print(best_layer(found))
    print(control_in_words(found))


def _neighbours(found: Block) -> None:
    from mason.reports.neighbours import agreement

    table = _table([say("Cosine"), say("Row"), say("Label"), say("Text")])
    for one in found["rows"]:
        label = "–" if one["label"] is None else _plain(str(one["label"]))
        table.add_row(f"{one['similarity']:.3f}", str(one["row"]), label, _plain(one["text"]))
    console().print(table)
    print(agreement(found))


def _table(heads: list[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(_plain(head), overflow="fold")
    return table


def _plain(text: str) -> str:
    """Square brackets are a user's own, no markup."""
    from rich.markup import escape

    return escape(text)
