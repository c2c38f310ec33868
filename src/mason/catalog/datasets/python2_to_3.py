"""Functions in Python 2 and in Python 3: the standard library, written as it once was.

The rules of ``mason.catalog.python_two`` rewrite each function of the running Python's library;
a pair is kept where ``lib2to3`` leads back to the same syntax tree, and where the older text is
not the newer one's tree already, so that copying is always wrong. The pairs are made by rules and
are easier than what people wrote: figures on them compare with each other alone. A tenth of the
files, by a hash of their names, are for testing.
"""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from mason.catalog.dataset import TEST_SHARE, Dataset, Row, hashed_share
from mason.catalog.python_source import functions
from mason.catalog.python_two import python_two
from mason.errors import SourceError
from mason.language import say
from mason.metrics.code import tree_of

LONGEST = 1500
"""Characters of a function."""


def translator() -> Callable[[str], str | None]:
    """``lib2to3`` with all its rules: a text of Python 2 to one of Python 3; None: it fails.

    Raises:
        SourceError: It is not here.
    """
    with warnings.catch_warnings():  # it is deprecated
        warnings.simplefilter("ignore")
        refactor, name = _library()
        tool = refactor.RefactoringTool(refactor.get_fixers_from_package(f"{name}.fixes"))
        # Its grammar is read when it is first used.
        tool.refactor_string("pass\n", "<first>")

    def translate(text: str) -> str | None:
        try:
            return str(tool.refactor_string(text, "<function>"))
        except Exception:  # its parser and its rules fail in many ways
            return None

    return translate


def _library() -> tuple[Any, str]:
    for name in ("lib2to3", "fissix"):
        try:
            return import_module(f"{name}.refactor"), name
        except ImportError:
            continue
    raise SourceError(
        "Pairs of Python 2 and 3 are checked with lib2to3, which Python 3.13 left out; install its "
        "successor with pip install fissix, or use Python 3.12 or older."
    )


def _rows() -> Iterator[Row]:
    translate = translator()
    for function in functions():
        if len(function.text) > LONGEST:
            continue
        older = python_two(function.text)
        if older is None:
            continue
        tree = tree_of(function.text)
        back = translate(older)
        if back is not None and tree_of(back) == tree != tree_of(older):
            split = "test" if hashed_share(f"split {function.file}") < TEST_SHARE else "train"
            yield older, function.text, function.name, function.file, split


DATASET = Dataset(
    name="python2-to-3",
    title=lambda: say("Functions of Python's standard library, Python 2 to Python 3"),
    task="code-translation",
    language="en",
    citation="Python Software Foundation, The Python Standard Library",
    licence="PSF-2.0",
    source="python",
    columns=("python2", "python3", "name", "file", "split"),
    num_rows=(1_000, 5_000),
    rows=_rows,
    text="python2",
    label=None,
    target="python3",
    group="file",
    split="split",
)
