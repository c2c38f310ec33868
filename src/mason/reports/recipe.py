"""How to do it again: the command, the recipe, the machine and the versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from mason.language import say
from mason.reports.markup import Part, escape, facts, folded, heading, paragraph, table
from mason.reports.numbers import count, size
from mason.reports.schema import Machine, Results


def recipe(results: Results) -> Part | None:
    """Everything needed to reproduce the run."""
    body = ""
    if results.command:
        body += heading(say("The command")) + f'<pre tabindex="0"><code>{escape(results.command)}'
        body += "</code></pre>"
        # A budget of time buys other steps on another day.
        if results.kind != "pretrain":
            body += paragraph(
                say("The same command on the same data gives the same model."), "muted"
            )
    if results.machine is not None:
        body += heading(say("The machine")) + facts(_machine(results.machine))
    if results.recipe:
        rows = [[f"<code>{escape(k)}</code>", escape(v)] for k, v in _flat(results.recipe)]
        settings = table([say("Setting"), say("Value")], rows, kind="settings")
        body += folded(say("All settings: {number}", number=len(rows)), settings)
    if results.versions:
        rows = [[escape(name), escape(v)] for name, v in results.versions.items()]
        versions = table([say("Program"), say("Version")], rows, kind="settings")
        body += folded(say("Versions: {number}", number=len(rows)), versions)
    if not body:
        return None
    return Part(
        say("How to do it again"),
        say(
            "Command, settings, machine and versions: what another person needs to get this result."
        ),
        body,
    )


def _machine(machine: Machine) -> list[tuple[str, str]]:
    pairs = []
    if machine.processor:
        pairs.append((say("processor"), escape(machine.processor)))
    if machine.cores is not None:
        pairs.append((say("cores"), count(machine.cores)))
    if machine.memory_bytes is not None:
        pairs.append((say("memory"), size(machine.memory_bytes)))
    if machine.device:
        pairs.append((say("computed on"), escape(machine.device)))
    if machine.system:
        pairs.append((say("system"), escape(machine.system)))
    return pairs


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names, in their order."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "–" if value is None else str(value)
