"""Functions of the running Python's standard library with a part to complete.

``kind`` says which part, and a hash of the function chooses: the rest of a ``line``, the rest of
the ``body`` (its last lines, at most five), or one to three lines in the ``middle``, where
``suffix`` holds what follows. A tenth of the files, by a hash of their names, are for testing.
"""

import random
from collections.abc import Iterator

from mason.catalog.dataset import TEST_SHARE, Dataset, Row, hashed_share
from mason.catalog.python_source import Function, functions
from mason.language import say

KINDS = ("line", "body", "middle")
LINES = range(4, 41)
"""Of the functions taken."""
LONGEST = 1500
"""Characters of a function."""
_MOST_OF_BODY, _MOST_OF_MIDDLE = 5, 3


def cut(function: Function) -> tuple[str, str, str, str] | None:
    """Prompt, suffix, completion and kind; None: it is too short or too long."""
    lines = function.text.splitlines(keepends=True)
    if len(lines) not in LINES or len(function.text) > LONGEST:
        return None
    chance = random.Random(function.text)
    parts: tuple[list[str], list[str], list[str]]
    kind = KINDS[chance.randrange(len(KINDS))]
    if kind == "body":
        first = max(2, len(lines) - chance.randint(1, _MOST_OF_BODY))
        parts = lines[:first], lines[first:], []
    else:
        first = chance.randrange(2, len(lines) - 1)
        last = min(first + chance.randint(1, _MOST_OF_MIDDLE), len(lines) - 1)
        parts = lines[:first], lines[first:last], lines[last:]
    prompt, completion, suffix = ("".join(part) for part in parts)
    if kind == "line":
        line = lines[first].rstrip("\n")
        begin = len(line) - len(line.lstrip())
        place = chance.randint(begin, max(begin, len(line) - 1))
        prompt, completion, suffix = prompt + line[:place], line[place:], ""
    return (prompt, suffix, completion, kind) if completion.strip() else None


def _rows() -> Iterator[Row]:
    for function in functions():
        made = cut(function)
        if made is not None:
            split = "test" if hashed_share(f"split {function.file}") < TEST_SHARE else "train"
            yield *made, function.file, split


DATASET = Dataset(
    name="python-functions",
    title=lambda: say("Functions of Python's standard library with a part to complete"),
    task="code-completion",
    language="en",
    citation="Python Software Foundation, The Python Standard Library",
    licence="PSF-2.0",
    source="python",
    columns=("prompt", "suffix", "completion", "kind", "file", "split"),
    num_rows=(5_000, 30_000),
    rows=_rows,
    text="prompt",
    label=None,
    target="completion",
    group="file",
    split="split",
)
