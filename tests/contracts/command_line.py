"""The command line as data: every command with its options, read from the application itself.

``python -m tests.contracts.command_line`` writes ``command_line.txt``, the frozen list.
"""

from collections.abc import Iterator, Sequence
from inspect import Parameter
from pathlib import Path

from cyclopts import App, CycloptsError

from mason.errors import MasonError
from mason.settings import load_settings

FROZEN = Path(__file__).with_name("command_line.txt")
EVERYWHERE = ("--lang",)
"""Options that are taken out before the commands see the line."""


def application() -> App:
    """Mason's, imported when a test asks, so that a fault in it fails that test alone."""
    from mason.cli.main import build_app

    return build_app()


def commands(node: App | None = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Every command below ``node`` (None: all), by its full name."""
    node = node or application()
    for name in sorted(n for n in node if not n.startswith("-")):
        below = node[name]
        if below.default_command is not None:
            yield " ".join((*path, name)), below
        yield from commands(below, (*path, name))


def listing() -> str:
    """One line a command, then one line for each of its arguments and options."""
    lines = [f"mason … {name}" for name in EVERYWHERE]
    for name, command in commands():
        lines.append(f"mason {name}")
        arguments = command.assemble_argument_collection()
        lines += sorted(f"    {_shown(a.field_info.kind, a.names)}" for a in arguments if a.show)
    return "\n".join(lines) + "\n"


def _shown(kind: object, names: Sequence[str]) -> str:
    shown = " ".join(names) or "…"
    return f"{shown} (by position too)" if kind is Parameter.POSITIONAL_OR_KEYWORD else shown


def parse(words: Sequence[str]) -> str | None:
    """What is wrong with these words as a command line; None if nothing is."""
    from mason.cli.main import _choose_language
    from mason.cli.overrides import read_overrides

    try:
        rest = _choose_language(list(words))
        command, bound, *_ = application().parse_args(rest, exit_on_error=False, print_error=False)
        if command.__name__ == "train":
            load_settings(overrides=read_overrides(bound.args))
    except (CycloptsError, MasonError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    FROZEN.write_text(listing(), encoding="utf-8")
