"""Harden a chat model: a guard around it, with its price, its gain and what gets past it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mason.data.conversations import TURNS, flat_conversations
from mason.errors import DataError
from mason.language import say
from mason.metrics import Estimate
from mason.models.files import write_json, writing_folder
from mason.reports import write_card, write_report
from mason.security.guard import GUARD, Guard
from mason.security.probes import KINDS, LANGUAGES, Probe, disguised, draw_probes, honest_questions
from mason.security.summary import wilson
from mason.workflows import results as blocks
from mason.workflows.attacking import ROWS
from mason.workflows.fine_tuning import Run
from mason.workflows.model import Model
from mason.workflows.preparing import UNSEEN, data_settings, pick, read_tables
from mason.workflows.provoking import chat_model_of, kinds_of, probe_block, replies
from mason.workflows.writer import Writer

PARTS = ("scan", "withhold")
"""What the guard does: scans what is asked, withholds what may not be said."""

Say = Callable[[str], None]
Conversation = list[dict[str, Any]]


@dataclass(frozen=True)
class Tried:
    """What an attacker tried for one probe: the probe, its disguises, and all replies."""

    probes: list[Probe]
    replies: list[str]

    def held(self, parts: Sequence[str], *, knows: bool) -> bool:
        """Whether nothing got through: of the first try alone, or of all."""
        most = None if knows else 1
        pairs = zip(self.probes[:most], self.replies[:most], strict=True)
        return all(_held(one, reply, parts) for one, reply in pairs)


def guard_chat(
    model: Model | str | Path,
    data: str | Path,
    *,
    output: str | Path,
    attacks: str | None = None,
    rows: int = ROWS,
    text: str | None = None,
    seed: int = 0,
    notice: Say = lambda sentence: None,
    command: str | None = None,
) -> Run:
    """Put a guard around a chat model, and write it with a report of its price and its gain.

    ``mason chat`` and ``mason serve`` use the guard of the folder that is written.

    Args:
        model: A chat model, or a name as for ``mason.load``; it is not changed.
        data: Honest conversations, in a form that ``mason train --task dialogue`` reads.
        output: Folder to write.
        attacks: Kinds of probes it faces; see ``mason.workflows.probe``.
        rows: Probes in all, and most conversations.
        text: The column of the conversations, where it is not found.
        seed: Of all that is drawn.
        notice: Called with each sentence the user should read.
        command: How to repeat this, for the report.

    Raises:
        MasonError: The model does not talk, or the data hold no conversations.
    """
    ready, kinds = chat_model_of(model), kinds_of(attacks, rows)
    honest = _conversations(data, text, rows, seed)
    base = draw_probes(kinds, LANGUAGES, rows, seed)
    tries = [disguised(one) for one in base]
    flat = [one for some in tries for one in some]
    notice(say("Replies to be written: {count}.", count=len(flat)))
    said = iter(replies(ready, [one.turns for one in flat]))
    tried = [Tried(some, [next(said) for _ in some]) for some in tries]
    results = blocks.header("harden", {"text": text}, ready, command)
    answered = [(one.probes[0], one.replies[0]) for one in tried]
    results["security"] = {
        "seed": seed,
        "probes": [probe_block(k, [a for a in answered if a[0].kind == k]) for k in kinds],
        "defences": [_defence(parts, tried, honest) for parts in (PARTS[:1], PARTS[1:], PARTS)],
    }
    return _written(ready, results, Path(output))


def _written(model: Writer, results: dict[str, Any], output: Path) -> Run:
    before, model.guard = model.guard, GUARD
    try:
        with writing_folder(output, kind="model") as draft:
            model.write(draft)
            write_json(draft / "results.json", results)
            named = {**results, "name": output.name}
            write_card(named, draft)
            write_report(named, draft)
    finally:
        model.guard = before
    return Run(model, results, output)


def _conversations(
    data: str | Path, column: str | None, rows: int, seed: int
) -> list[Conversation]:
    tables, settings = read_tables(data_settings(data, {"text": column}))
    table = tables[pick(tables, UNSEEN, data)]
    found = flat_conversations(table, text=settings.text, target=settings.target).texts(TURNS)
    turns = [json.loads(cell) for cell in found if cell]
    if not turns:
        raise DataError("{file} holds no conversations.", file=data)
    drawn = np.random.default_rng(seed).permutation(len(turns))[:rows]
    return [turns[i] for i in sorted(drawn.tolist())]


def _defence(
    parts: Sequence[str], tried: Sequence[Tried], honest: Sequence[Conversation]
) -> dict[str, Any]:
    """A part of the guard, or all of it: honest conversations left alone, and what it held."""
    free = sum(not _disturbs(turns, parts) for turns in honest)
    faced = []
    for kind in KINDS:
        own = [one for one in tried if one.probes[0].kind == kind]
        for knows in (False, True) if own else ():
            shares = {
                when: asdict(wilson(sum(one.held(some, knows=knows) for one in own), len(own)))
                for when, some in (("before", ()), ("after", parts))
            }
            faced.append({"attack": kind, "knows": knows, **shares})
    return {
        "name": "+".join(parts),
        "clean_before": asdict(Estimate(1.0, 1.0, 1.0)),
        "clean_after": asdict(wilson(free, len(honest))),
        "faced": faced,
        "note": _misled(parts),
    }


def _held(one: Probe, reply: str, parts: Sequence[str]) -> bool:
    """Whether the attacker gets nothing: the guard steps in, or the model did not obey."""
    guard = Guard()
    if "scan" in parts and guard.asked(one.turns):
        return True
    if "withhold" in parts and guard.said(reply, one.turns):
        return True
    return not one.obeyed(reply)


def _disturbs(turns: Conversation, parts: Sequence[str]) -> bool:
    """Whether the guard steps in where everybody is honest: at a question or at an answer."""
    guard = Guard()
    if "scan" in parts and guard.asked([t for t in turns if t["role"] == "user"]):
        return True
    return "withhold" in parts and any(
        guard.said(str(turn.get("content") or ""), turns[:number])
        for number, turn in enumerate(turns)
        if turn["role"] == "assistant"
    )


def _misled(parts: Sequence[str]) -> str | None:
    """How many honest questions that sound like orders are turned away."""
    if "scan" not in parts:
        return None
    asked = [question for language in LANGUAGES for question in honest_questions(language)]
    turns = [[{"role": "user", "content": question}] for question in asked]
    return say(
        "Of {count} honest questions that sound like orders, written to mislead it, it turns away "
        "{turned}.",
        count=len(asked),
        turned=sum(Guard().asked(one) is not None for one in turns),
    )
