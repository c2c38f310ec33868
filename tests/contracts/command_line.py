"""The command line as data: every command with its options, read from the application itself.

``python -m tests.contracts.command_line`` writes ``command_line.txt``, the frozen list.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

FROZEN = Path(__file__).with_name("command_line.txt")


def application() -> App:
    """Mason's, imported when a test asks, so that a fault in it fails that test alone."""
    from mason.cli import app

    return app


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
    lines = []
    for name, command in commands():
        lines.append(f"mason {name}")
        arguments = command.assemble_argument_collection()
        lines += sorted("    " + " ".join(a.names) for a in arguments if a.show)
    return "\n".join(lines) + "\n"


def parse(words: Sequence[str]) -> str | None:
    """What is wrong with these words as a command line; None if nothing is."""
    try:
        application().parse_args(list(words), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return str(error)
    return None


if __name__ == "__main__":
    FROZEN.write_text(listing(), encoding="utf-8")
