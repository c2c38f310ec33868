"""What it looks at: texts with the words that spoke for its answers, and whether to believe it."""

from collections.abc import Mapping, Sequence
from typing import Any

from mason.language import say
from mason.reports.attention import honest
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Results

_OF_ATTENTION = "rollout"


def explanations(results: Results) -> Part | None:
    """The block ``extras.explanations``: pictures, and how many of them passed their checks."""
    found = results.extras.get("explanations")
    if not found or not found.get("pictures"):
        return None
    pictures: Sequence[Mapping[str, Any]] = found["pictures"]
    body = _surveys(found["surveys"]) + "".join(_picture(one) for one in pictures)
    if any(one["method"] == _OF_ATTENTION for one in pictures):
        body += paragraph(honest(), "muted")
    return Part(
        say("What it looks at"),
        say(
            "Words on blue spoke for the answer; those on orange, with a broken line, against it. "
            "A picture is shown only if taking words away in its order changes the answer as it "
            "says, and if shuffled weights do not give the same picture."
        ),
        body,
    )


def explained(results: Results) -> tuple[int, int] | None:
    """How many pictures are shown, and of how many; None: there are none."""
    found = results.extras.get("explanations")
    surveys = found["surveys"] if found else []
    if not surveys:
        return None
    return sum(one["shown"] for one in surveys), sum(one["texts"] for one in surveys)


def checks_in_words(failed: Mapping[str, int]) -> str:
    """The checks that withheld pictures, each with how many."""
    names = {
        "length": say("too short"),
        "skill": say("no better than one label for all"),
        "effect": say("words hardly matter"),
        "order": say("no better than a random order"),
        "sum": say("does not add up"),
        "weights": say("the same under shuffled weights"),
    }
    return ", ".join(f"{names[check]} ({count(number)})" for check, number in failed.items())


def _surveys(surveys: Sequence[Mapping[str, Any]]) -> str:
    heads = [
        say("Method"),
        say("Withheld for"),
        say("Shown"),
        say("Comprehensiveness (1 is best)"),
        say("Sufficiency (0 is best)"),
        say("Before random orders"),
    ]
    rows = [
        [
            f'{escape(one["method"])}<br><span class="muted">{escape(one["paper"])}</span>',
            escape(checks_in_words(one["failed"])) or "–",
            escape(say("{shown} of {all}", shown=one["shown"], all=one["texts"])),
            decimal(one["comprehensiveness"], 2),
            decimal(one["sufficiency"], 2),
            percent(one["beaten"], 0),
        ]
        for one in surveys
    ]
    return table(heads, rows, kind="stack", numeric=4)


def _picture(picture: Mapping[str, Any]) -> str:
    value = percent(picture["value"]) if picture["probable"] else decimal(picture["value"])
    title = f"<strong>{escape(picture['answer'])}</strong> {escape(value)} · "
    title += escape(picture["method"])
    texts = "".join(_text(picture, part) for part in range(len(picture["texts"])))
    if picture["withheld"]:
        note = picture["withheld"]
    else:
        note = judged_in_words(picture["trust"]["faithfulness"])
    return f'<div class="picture"><p>{title}</p>{texts}{paragraph(note, "muted")}</div>'


def judged_in_words(judged: Mapping[str, float]) -> str:
    """How faithful a picture is, in one sentence."""
    return say(
        "Comprehensiveness {first}, sufficiency {second}, before {beaten} of random orders.",
        first=decimal(judged["comprehensiveness"], 2),
        second=decimal(judged["sufficiency"], 2),
        beaten=percent(judged["beaten"], 0),
    )


def _text(picture: Mapping[str, Any], part: int) -> str:
    """A text whose words have a ground of the tone of what they did."""
    text: str = picture["texts"][part]
    words = [word for word in picture["words"] if word["part"] == part]
    largest = max((abs(word["weight"]) for word in picture["words"]), default=0.0) or 1.0
    pieces, end = [], 0
    for word in words:
        strength = abs(word["weight"]) / largest
        pieces.append(escape(text[end : word["start"]]))
        shown = escape(text[word["start"] : word["end"]])
        tone = "for" if word["weight"] > 0 else "against"
        if strength >= 0.05:
            shown = (
                f'<mark class="{tone}" style="--strength:{strength * 100:.0f}%" '
                f'title="{word["weight"]:+.2f}">{shown}</mark>'
            )
        pieces.append(shown)
        end = word["end"]
    pieces.append(escape(text[end:]))
    return f'<p class="words" dir="auto">{"".join(pieces)}</p>'
