"""The source of Mason as syntax trees: what the contracts read."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "mason"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source_files() -> list[Path]:
    """Every Python file of the package, in order."""
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    """A file's path as messages show it."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The dotted name a file is imported by."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def functions_of(tree: ast.AST) -> Iterator[Function]:
    """Every function and method under a node, nested ones included."""
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def num_lines(node: Function | ast.ClassDef) -> int:
    """Lines from ``def`` to the last statement."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def listed(found: Mapping[str, object] | Iterable[object]) -> str:
    """A failed contract's findings, one a line, none cut short by pytest."""
    items = found.items() if isinstance(found, Mapping) else found
    return "\n" + "\n".join(
        f"  {item[0]}: {item[1]}" if isinstance(item, tuple) else f"  {item}" for item in items
    )
