"""What importing needs: the run-time dependencies alone, and no torch for ``--help``."""

import ast
import importlib.metadata as metadata
import json
import subprocess
import sys
import tomllib
from itertools import chain
from typing import Any

from packaging.requirements import Requirement

from tests.contracts.source_tree import ROOT, listed, module_of, name_of, source_files, tree_of

PACKAGE = "mason-lm"

IMPORT_ALL = """
import importlib, json, sys

blocked, modules = json.loads(sys.stdin.read())

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is no run-time dependency", name=name)

sys.meta_path.insert(0, Refuse())
failed = {}
for module in modules:
    try:
        importlib.import_module(module)
    except Exception as error:
        failed[module] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""

HELP = """
import sys

sys.argv = ["mason", "--help"]
from mason.cli import main

try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


BESIDE = ("dev", "peers")
"""Extras of those who test and measure Mason."""


def _needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Normalised names of a distribution and of all that it requires, however deep."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(name, extras)]
    while todo:
        distribution, wanted = todo.pop()
        key = (distribution.lower().replace("_", "-"), wanted)
        if key in seen:
            continue
        try:
            requires = metadata.requires(distribution) or []
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        seen.add(key)
        for requirement in map(Requirement, requires):
            marker = requirement.marker
            if not marker or any(marker.evaluate({"extra": e}) for e in (wanted or {""})):
                todo.append((requirement.name, frozenset(requirement.extras)))
    return {distribution for distribution, _ in seen}


def _development_modules() -> set[str]:
    """Top-level modules that no run-time dependency brings."""
    needed = _needed(PACKAGE)
    return {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not needed & {d.lower().replace("_", "-") for d in distributions}
    }


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(project["project"])


def _optional() -> set[str]:
    """Modules of the extras a user may install; imported only where they are asked for."""
    extras = _project()["optional-dependencies"]
    lines = chain.from_iterable(wanted for name, wanted in extras.items() if name not in BESIDE)
    return {Requirement(line).name.replace("-", "_") for line in lines}


def _declared() -> dict[str, set[str]]:
    """Each run-time dependency that pyproject.toml names, and its top-level modules."""
    modules: dict[str, set[str]] = {
        Requirement(line).name.lower().replace("_", "-"): set()
        for line in _project()["dependencies"]
    }
    for module, distributions in metadata.packages_distributions().items():
        for name in distributions:
            modules.get(name.lower().replace("_", "-"), set()).add(module)
    return modules


def _imported_modules(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_what_is_imported_is_declared() -> None:
    allowed = set().union(*_declared().values(), sys.stdlib_module_names, _optional(), {"mason"})
    undeclared = {
        name_of(path): ", ".join(sorted(surplus))
        for path in source_files()
        if (surplus := _imported_modules(tree_of(path)) - allowed)
    }
    assert not undeclared, listed(undeclared)


def test_what_is_declared_is_imported() -> None:
    imported = set().union(*(_imported_modules(tree_of(path)) for path in source_files()))
    unused = [name for name, modules in _declared().items() if not modules & imported]
    assert not unused, listed(unused)


def test_every_module_imports_with_the_runtime_dependencies_alone() -> None:
    blocked = _development_modules()
    assert {"pytest", "transformers", "hypothesis"} <= blocked
    assert not {"torch", "numpy", "polars", "mason"} & blocked
    modules = [m for m in map(module_of, source_files()) if not m.endswith("__main__")]
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        input=json.dumps([sorted(blocked), modules]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    failed = json.loads(result.stdout.splitlines()[-1])
    assert not failed, listed(failed)


def test_help_is_light() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.splitlines()[-1].split()[1:])
    assert "mason" in imported
    heavy = {"torch", "numpy", "polars", "scipy", "sklearn", "tokenizers", "huggingface_hub"}
    assert not heavy & imported


def test_a_run_starts_without_what_few_runs_need() -> None:
    """Each of these takes a second or more, before the first step of every run."""
    told = "import sys, mason.workflows; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    assert {"mason", "torch"} <= imported
    assert not {"sklearn", "scipy", "pandas", "sympy", "matplotlib", "optuna"} & imported
