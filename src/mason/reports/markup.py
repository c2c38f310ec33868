"""Text to safe HTML, and the few elements every section is built from."""

import html
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mason.language import current

_PLAIN_SPACES = {"\n", "\t", " "}
# Joiners that scripts and emoji need; alone they cannot hide or reorder text.
_JOINERS = {"\u200c", "\u200d"}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


@dataclass(frozen=True)
class Part:
    """What a section shows: a title, one explaining sentence, and its HTML body."""

    title: str
    explanation: str
    body: str


def escape(value: object) -> str:
    """``value`` as HTML text that shows what is there.

    Control, bidirectional and invisible characters become a visible tag with their code
    point: left as they are, they could reorder or hide parts of the page (CVE-2021-42574).
    """
    return "".join(_visible(character) for character in str(value))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and not (
        character in _PLAIN_SPACES or character in _JOINERS
    )
    if hidden or character in ("\u115f", "\u1160", "\u3164", "\uffa0"):  # blank Hangul fillers
        return f'<span class="hidden-character">U+{ord(character):04X}</span>'
    if category == "Mn" and ord(character) in _VARIATION_SELECTORS:
        return character
    return html.escape(character)


def attribute(value: object) -> str:
    """``value`` for use inside a double-quoted attribute; hidden characters are dropped."""
    kept = (c for c in str(value) if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return html.escape("".join(kept))


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", numeric: int = 0
) -> str:
    """A table in a box of its own that scrolls sideways.

    Args:
        heads: Column heads, plain text.
        rows: Cells, already HTML.
        kind: CSS classes of the table; with ``stack`` a phone shows each row as a small
            block, every cell under its head.
        numeric: How many columns, from the right, are numbers.
    """
    first_number = len(heads) - numeric
    number = [' class="number"' if i >= first_number else "" for i in range(len(heads))]
    names = [
        f' data-name="{attribute(head)}"' if "stack" in kind and head else "" for head in heads
    ]
    head = "".join(
        f'<th scope="col"{mark}>{escape(text)}</th>'
        for mark, text in zip(number, heads, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{mark}{name if cell else ''}>{cell}</td>"
            for mark, name, cell in zip(number, names, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values as a list of large figures; values are already HTML."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>' if items else ""


def sentences(said: Iterable[str]) -> str:
    """Sentences in a row; Chinese puts no space between them."""
    return ("" if current() == "zh" else " ").join(said)


def paragraph(text: str, kind: str = "") -> str:
    """One paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """A heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def folded(summary: str, body: str) -> str:
    """Detail that opens on a click, without a script."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def bar(share: float, tone: str = "") -> str:
    """A horizontal bar of ``share`` (0 to 1) of its cell; the number stands beside it."""
    width = f"{max(0.0, min(1.0, share)) * 100:.2f}"
    return (
        f'<svg class="bar {tone}" width="100%" height="10" aria-hidden="true">'
        f'<rect class="track" width="100%" height="10" rx="5"/>'
        f'<rect class="fill" width="{width}%" height="10" rx="5"/></svg>'
    )
