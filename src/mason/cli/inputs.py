"""Texts from standard input, or typed by a person."""

import io
import sys
from collections.abc import Iterator

from mason.errors import DataError
from mason.language import say


def lines() -> Iterator[str]:
    """The lines of standard input.

    Raises:
        DataError: It is not in the encoding of the locale.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="strict")  # the locale C lets anything through
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise DataError(
            "Standard input is not {encoding}; give the file with --data, then its encoding is "
            "found.",
            encoding=sys.stdin.encoding,
        ) from None


def typed() -> Iterator[str]:
    """What a person types, up to an empty line."""
    print(say("Type a text and press Enter; an empty line ends."), file=sys.stderr)
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line
