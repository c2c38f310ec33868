"""``mason attack``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import console, notice
from mason.errors import SettingsError
from mason.language import say

Attacked = Annotated[str, Parameter(help=say("A trained classifier, or a chat model."))]
Read = Annotated[
    str | None,
    Parameter(
        help=say(
            "A file, or a folder whose test file, else its validation file, is used; a "
            "chat model is probed without."
        )
    ),
]
Attacks = Annotated[
    str | None,
    Parameter(
        help=say(
            "typos, homoglyphs, invisible, disguise, words, hotflip, trigger, edits; for Chinese "
            "homophones, glyphs, traditional; for chat models injection, extraction, jailbreak; "
            "parted by commas."
        )
    ),
]
Rows = Annotated[int, Parameter(help=say("Texts to attack, at most; 200 if left out."))]
Share = Annotated[
    float | None, Parameter(help=say("Share of a text's words that may change; each attack's own."))
]
Similarity = Annotated[
    float | None,
    Parameter(help=say("Least cosine of sentence vectors before and after; each attack's own.")),
]
Encoder = Annotated[
    str, Parameter(help=say("An embedding model that compares sentences; all-MiniLM-L6-v2."))
]
Unseen = Annotated[
    str | None,
    Parameter(
        help=say("Of a language model: texts it has not learned, and --data those it has learned.")
    ),
]
Canary = Annotated[
    str | None,
    Parameter(help=say("Of a language model: a secret that was planted, its last part of digits.")),
]
Backdoor = Annotated[
    str | None,
    Parameter(
        help=say(
            "Words to plant in 5 % of the rows of --data, from which a copy of the classifier goes "
            "on learning."
        )
    ),
]
Goal = Annotated[
    str | None, Parameter(help=say("The label that --backdoor shall bring; the rarest."))
]
Seed = Annotated[int, Parameter(help=say("Decides which rows are drawn, and every chance."))]


def attack(
    model: Attacked,
    *,
    data: Read = None,
    attacks: Attacks = None,
    rows: Rows = 200,
    max_share: Share = None,
    min_similarity: Similarity = None,
    encoder: Encoder = "all-MiniLM-L6-v2",
    unseen: Unseen = None,
    canary: Canary = None,
    backdoor: Backdoor = None,
    target: Goal = None,
    seed: Seed = 0,
    text: options.Text = None,
    label: options.Label = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: options.Folder = None,
) -> int:
    """Change the texts a classifier reads until it errs, or talk a chat model into obeying."""
    from mason.workflows import attack as run
    from mason.workflows import backdoor as plant
    from mason.workflows import leak, probe

    lone = {"--canary": (canary, unseen, "--unseen"), "--target": (target, backdoor, "--backdoor")}
    _check_partners({**lone, "--backdoor": (backdoor, data, "--data")})
    known: dict[str, Any] = {"rows": rows, "seed": seed, "output": output}
    known["command"] = shlex.join(["mason", *sys.argv[1:]])
    if data is None:
        _show_probes(probe(model, attacks=attacks, notice=notice, **known))
        return _end(output)
    if unseen is not None:
        results = leak(model, data, unseen, text=text, canary=canary, **known)
        _show_memory(results["security"]["memory"])
        return _end(output)
    known |= {"text": text, "label": label, "notice": notice}
    if backdoor is not None:
        unused = {"--attacks": attacks, "--max-share": max_share, "--encoding": encoding}
        unused |= {"--min-similarity": min_similarity, "--columns": columns, "--format": format}
        for option in (name for name, given in unused.items() if given is not None):
            raise SettingsError("{option} does not go with --backdoor.", option=option)
        _show(plant(model, data, trigger=backdoor, target=target, **known))
        return _end(output)
    known |= {"columns": columns, "encoding": encoding, "format": format, "encoder": encoder}
    known |= {"max_share": max_share, "min_similarity": min_similarity}
    _show(run(model, data, attacks=attacks, **known))
    return _end(output)


def _check_partners(pairs: dict[str, tuple[str | None, str | None, str]]) -> None:
    """Options that mean nothing without another one."""
    for option, (given, partner, needed) in pairs.items():
        if given is not None and partner is None:
            raise SettingsError("{option} needs {other} too.", option=option, other=needed)


def _end(output: str | None) -> int:
    if output:
        print(say("Report: {path}", path=Path(output) / "report.html"))
    return 0


def _show_probes(results: dict[str, Any]) -> None:
    """The kinds of probes as a table."""
    from rich.table import Table

    from mason.reports.numbers import count, percent
    from mason.reports.provocations import probe_names

    table = Table(box=None, pad_edge=False)
    table.add_column(say("Attack"))
    for head in (say("It obeyed"), say("Tries")):
        table.add_column(head, justify="right")
    for one in results["security"]["probes"]:
        share = one["success"]
        told = f"{percent(share['value'])} ({percent(share['low'])}–{percent(share['high'])})"
        table.add_row(probe_names().get(one["name"], one["name"]), told, count(one["rows"]))
    console().print(table)


def _show_memory(found: dict[str, Any]) -> None:
    from mason.reports.memory import in_words
    from mason.reports.security_block import Memory

    for sentence in in_words(Memory.model_validate(found)):
        print(sentence)


def _show(results: dict[str, Any]) -> None:
    """The attacks as a table."""
    from rich.table import Table

    from mason.reports.attacks import attack_names
    from mason.reports.numbers import count, percent

    table = Table(box=None, pad_edge=False)
    table.add_column(say("Attack"))
    heads = [say("Right before"), say("Right under attack"), say("Turned, of the right ones")]
    for head in [*heads, say("Words changed"), say("Texts asked")]:
        table.add_column(head, justify="right")
    for one in results["security"]["attacks"]:
        under, turned = one["under_attack"], one["success"]
        table.add_row(
            attack_names().get(one["name"], one["name"]),
            percent(one["clean"]["value"]),
            f"{percent(under['value'])} ({percent(under['low'])}–{percent(under['high'])})",
            f"{percent(turned['value'])} ({percent(turned['low'])}–{percent(turned['high'])})",
            percent(one["changed"]),
            count(one["queries"]),
        )
    console().print(table)
