"""The functions of the running Python's standard library, without its tests."""

import ast
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mason.errors import SourceError

_LEFT_OUT = frozenset(
    "test tests idle_test site-packages dist-packages __pycache__ turtledemo ensurepip".split()
)


class Function(NamedTuple):
    """A function or method: its text without the indent of its class, and where it stands."""

    name: str
    text: str
    file: str

    @property
    def module(self) -> str:
        """As it is imported."""
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def functions() -> Iterator[Function]:
    """Every function once, a file after the other; those inside other functions left out.

    Raises:
        SourceError: This Python came without the source of its library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    for file in sorted(root.rglob("*.py")):
        inner = file.relative_to(root)
        if _LEFT_OUT.isdisjoint(inner.parts):
            for found in functions_of(file.read_bytes(), inner.as_posix()):
                if found.text not in seen:
                    seen.add(found.text)
                    yield found
    if not seen:
        raise SourceError(
            "{folder} holds no source of Python's standard library; use a Python that came with "
            "it.",
            folder=root,
        )


def functions_of(source: bytes, file: str) -> Iterator[Function]:
    """The functions of a module and of its classes; none where it does not parse."""
    try:
        text = source.decode("utf-8")
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines(keepends=True)
    for node in _outermost(tree):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        whole = "".join(lines[first - 1 : node.end_lineno]).expandtabs()
        plain = textwrap.dedent(whole).rstrip() + "\n"
        if parses(plain):
            yield Function(node.name, plain, file)


def parses(text: str) -> bool:
    """Whether a text is Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _outermost(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from _outermost(child)
