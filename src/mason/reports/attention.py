"""Where it looks: attention of every layer and head as small maps, or of one head in full."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mason.language import say
from mason.reports.markup import Part, attribute, escape, facts, folded, heading, paragraph
from mason.reports.numbers import count, percent
from mason.reports.schema import Results
from mason.reports.views import view_titles

Block = Mapping[str, Any]
_LEAST = 5
"""Percent from which on a share is drawn."""
_TONES = (5, 15, 35, 65)
"""Where the tones of a small map begin, in percent."""


def attention(results: Results) -> Part | None:
    """The block ``extras.attention``."""
    found = results.extras.get("attention")
    if not found:
        return None
    kinds: Sequence[Block] = [kind for kind in found["kinds"] if kind["layers"]]
    return Part(
        view_titles()["attention"],
        honest() + " " + say("Each row of a map is a token that looks, each column one looked at."),
        "".join(paragraph(text, "words") for text in found["texts"])
        + "".join(_kind(kind, named=len(found["kinds"]) > 1) for kind in kinds),
    )


def honest() -> str:
    """What attention can and cannot tell."""
    return say(
        "Attention says where a layer reads from, not which words decided the answer: quite other "
        "weights often give the same answer."
    )


def place_in_words(place: str) -> str:
    """Which attention it is."""
    return {
        "encoder": say("The text, to itself"),
        "decoder": say("What is written, to itself"),
        "cross": say("What is written, to the text"),
    }[place]


def habit_in_words(habit: str) -> str:
    """Where a head mostly looks."""
    return {
        "same": say("itself"),
        "previous": say("previous"),
        "next": say("next"),
        "first": say("first"),
        "last": say("last"),
        "wide": say("wide"),
    }[habit]


def _kind(kind: Block, *, named: bool) -> str:
    heads = [head for layer in kind["layers"] for head in layer["heads"]]
    title = heading(place_in_words(kind["place"])) if named else ""
    if len(heads) == 1:
        return title + _one(kind, kind["layers"][0]["layer"], heads[0])
    counted = Counter(head["habit"] for head in heads)
    told = [(habit_in_words(habit), count(number)) for habit, number in counted.most_common()]
    note = say(
        "Heads by where they put half of their weight or more in the mean of all tokens; those "
        "that do so nowhere look wide."
    )
    layers = "".join(_layer(layer, kind) for layer in kind["layers"])
    return title + facts(told) + paragraph(note, "muted") + _tokens(kind) + layers


def _tokens(kind: Block) -> str:
    """The tokens in order, by which rows and columns are counted."""

    def listed(names: Sequence[str]) -> str:
        items = "".join(f"<li>{escape(name)}</li>" for name in names)
        return f'<ol class="tokens" dir="auto">{items}</ol>'

    if kind["queries"] == kind["keys"]:
        return folded(say("The tokens in order"), listed(kind["keys"]))
    looking = folded(say("The tokens that look, in order"), listed(kind["queries"]))
    return looking + folded(say("The tokens looked at, in order"), listed(kind["keys"]))


def _layer(layer: Block, kind: Block) -> str:
    maps = "".join(_small(layer["layer"], head, kind) for head in layer["heads"])
    title = heading(say("Layer {number}", number=layer["layer"]))
    return f'{title}<div class="heads">{maps}</div>'


def _small(layer: int, head: Block, kind: Block) -> str:
    """A head as a map of four tones, each tone one path."""
    habit = f"{habit_in_words(head['habit'])} {percent(head['share'], 0)}"
    label = say("Layer {layer}, head {head}: {habit}", layer=layer, head=head["head"], habit=habit)
    cells: dict[int, list[str]] = {tone: [] for tone in range(len(_TONES))}
    for y, row in enumerate(head["percent"]):
        for x, share in enumerate(map(int, row.split())):
            if share >= _LEAST:
                tone = sum(share >= least for least in _TONES) - 1
                cells[tone].append(f"M{x} {y}h1v1h-1z")
    paths = "".join(
        f'<path class="tone-{tone + 1}" d="{"".join(found)}"/>'
        for tone, found in cells.items()
        if found
    )
    box = f"0 0 {len(kind['keys'])} {len(kind['queries'])}"
    return (
        f'<figure><svg viewBox="{box}" role="img" aria-label="{attribute(label)}">{paths}</svg>'
        f"<figcaption>{head['head']}<br>{escape(habit)}</figcaption></figure>"
    )


def _one(kind: Block, layer: int, head: Block) -> str:
    """One head as a table of percentages, which any reader can go through."""
    title = say("Layer {layer}, head {head}", layer=layer, head=head["head"])
    names = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in kind["keys"])
    rows = ""
    for name, row in zip(kind["queries"], head["percent"], strict=True):
        cells = "".join(
            f'<td class="right" style="--share:{share / 100:.2f}">'
            f"{share if share >= _LEAST else '·'}</td>"
            for share in map(int, row.split())
        )
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    corner = escape(say("looks ↓ at →"))
    note = say("In percent of each row; less than {least} is a dot.", least=_LEAST)
    return (
        f'{heading(title)}{paragraph(note, "muted")}<div class="scroll" tabindex="0">'
        f'<table class="matrix upright"><thead><tr><th>{corner}</th>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
