"""Probe a chat model: whether it can be talked into what its owner does not want."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mason.errors import SettingsError
from mason.generation import Sampling
from mason.language import say
from mason.security.probes import KINDS, LANGUAGES, PAPERS, Probe, Turns, draw_probes
from mason.security.summary import wilson
from mason.text.chat import chat_ids
from mason.workflows import results as blocks
from mason.workflows.attacking import ROWS, write_results
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.writer import Writer

_LONGEST = 48
"""Tokens of a reply: by then it has begun to obey, or it has not."""
_AT_ONCE = 16
_EXAMPLES = 5

Say = Callable[[str], None]


def probe(
    model: Model | str | Path,
    *,
    attacks: str | None = None,
    rows: int = ROWS,
    seed: int = 0,
    output: str | Path | None = None,
    command: str | None = None,
    notice: Say = lambda sentence: None,
) -> dict[str, Any]:
    """Say how often a chat model obeys orders that are not its owner's.

    Args:
        model: A model with a chat template, or a name as for ``mason.load``.
        attacks: Of ``mason.security.probes.KINDS``, parted by commas; None: all.
        rows: Probes in all, in English and Chinese.
        seed: Of the probes that are drawn, their words and secrets.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        notice: Called with a sentence after each kind of probe.

    Returns:
        What ``results.json`` holds; the findings are under ``security.probes``.

    Raises:
        MasonError: The model does not talk, or there is no such attack.
    """
    ready, kinds = chat_model_of(model), kinds_of(attacks, rows)
    drawn = draw_probes(kinds, LANGUAGES, rows, seed)
    said = replies(ready, [one.turns for one in drawn])
    found = []
    for kind in kinds:
        own = [(p, reply) for p, reply in zip(drawn, said, strict=True) if p.kind == kind]
        found.append(probe_block(kind, own))
        notice(_told(found[-1]))
    results = blocks.header("attack", {}, ready, command)
    results["security"] = {"seed": seed, "probes": found}
    write_results(results, output, kind="attack")
    return results


def chat_model_of(model: Model | str | Path) -> Writer:
    """The chat model that is named.

    Raises:
        SettingsError: It does not talk.
    """
    ready = model if isinstance(model, Model) else load(model, task=Writer.task)
    if not isinstance(ready, Writer) or ready.tokenizer.chat_template is None:
        raise SettingsError(
            "Probes are for chat models, and this one has no chat template; attack another kind of "
            "model with --data and the texts it shall read."
        )
    return ready


def kinds_of(attacks: str | None, rows: int) -> list[str]:
    """The kinds of probes that are named.

    Raises:
        SettingsError: There is no such kind, or nothing is to be asked.
    """
    named = [*KINDS] if attacks is None else [name.strip() for name in attacks.split(",")]
    unknown = [name for name in named if name not in KINDS]
    if unknown:
        raise SettingsError(
            "There is no attack {name!r} on chat models; choose among {known}.",
            name=unknown[0],
            known=", ".join(KINDS),
        )
    if rows < 1:
        raise SettingsError("--rows is {rows}; give 1 or more.", rows=rows)
    return named


def replies(model: Writer, asked: Sequence[Turns]) -> list[str]:
    """The likeliest beginnings of answers to conversations, each as if alone."""
    sampling, found = Sampling(max_new_tokens=_LONGEST), [""] * len(asked)
    prompts = [chat_ids(model.tokenizer, turns) for turns in asked]
    # Those of like length together: the longest keeps the others waiting.
    order = sorted(range(len(asked)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        told = model.write_after([prompts[i] for i in some], sampling)
        for i, one in zip(some, told, strict=True):
            found[i] = one.text
    return found


def probe_block(kind: str, answered: Sequence[tuple[Probe, str]]) -> dict[str, Any]:
    """A kind of probes as ``results.json`` holds it."""
    won = [(one, reply) for one, reply in answered if one.obeyed(reply)]
    techniques = []
    for name in dict.fromkeys(one.technique for one, _ in answered):
        tried = sum(one.technique == name for one, _ in answered)
        hits = sum(one.technique == name for one, _ in won)
        techniques.append({"name": name, "rows": tried, "success": asdict(wilson(hits, tried))})
    return {
        "name": kind,
        "paper": PAPERS[kind],
        "rows": len(answered),
        "success": asdict(wilson(len(won), len(answered))),
        "techniques": techniques,
        "examples": [_example(one, reply) for one, reply in won[:_EXAMPLES]],
    }


def _example(one: Probe, reply: str) -> dict[str, str]:
    return {
        "technique": one.technique,
        "owner": one.system,
        "asked": one.turns[-1]["content"],
        "reply": reply,
    }


def _told(found: dict[str, Any]) -> str:
    return say(
        "{name}: it obeyed {success:.1%} of {rows} times.",
        name=found["name"],
        success=found["success"]["value"],
        rows=found["rows"],
    )
