"""Every public name of the package is annotated and documented."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contracts.source_tree import Function, listed, name_of, source_files, tree_of

Public = Function | ast.ClassDef


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _public(body: list[ast.stmt]) -> Iterator[Public]:
    """Public classes and functions, and public methods of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and _is_public(node.name):
            yield node
            yield from _public(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(node.name):
            yield node


def _named() -> Iterator[tuple[Path, Public]]:
    for path in source_files():
        for node in _public(tree_of(path).body):
            yield path, node


def _where(path: Path, node: Public) -> str:
    return f"{name_of(path)}:{node.lineno} {node.name}"


def _explained_elsewhere(node: Public) -> bool:
    """Dunders, properties' setters, overloads and overrides say it where they come from."""
    if node.name.startswith("__"):
        return True
    marks = {ast.unparse(d).split(".")[-1] for d in node.decorator_list}
    return bool(marks & {"overload", "override", "setter"})


def test_public_names_are_documented() -> None:
    silent = [
        _where(p, n)
        for p, n in _named()
        if not _explained_elsewhere(n) and not ast.get_docstring(n)
    ]
    assert not silent, listed(silent)


def test_modules_are_documented() -> None:
    silent = [
        name_of(p) for p in source_files() if tree_of(p).body and not ast.get_docstring(tree_of(p))
    ]
    assert not silent, listed(silent)


def _unannotated(node: Function) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments += [a for a in (node.args.vararg, node.args.kwarg) if a]
    missing = [
        a.arg for a in arguments if a.annotation is None and a.arg not in {"self", "cls", "mcs"}
    ]
    return missing + (["return"] if node.returns is None else [])


def test_public_functions_are_annotated() -> None:
    bare = {
        _where(p, n): missing
        for p, n in _named()
        if not isinstance(n, ast.ClassDef) and (missing := _unannotated(n))
    }
    assert not bare, listed(bare)
