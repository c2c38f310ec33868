"""What must not be in the source: code from data, registries, this machine's paths."""

import ast
import re
import subprocess

import pytest

from tests.contracts.source_tree import ROOT, SOURCE, listed, name_of, source_files, tree_of

CODE_FROM_DATA = {"eval", "exec", "compile", "__import__"}
UNSAFE_ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("joblib", "load"),
    ("np", "load"),
    ("numpy", "load"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("os", "popen"),
}
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:work|farm|root|home/[a-z]\w*|Users/\w+)/")
REGISTRY_HOST = re.compile(
    r"https?://[a-z.]*(?:pypi|pythonhosted|npmjs|debian)\.|(?:pypi|npmjs)\.org|pythonhosted"
)


def _unsafe_calls(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in CODE_FROM_DATA:
            found.append((node.lineno, called.id))
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            if (called.value.id, called.attr) in UNSAFE_ATTRIBUTES:
                found.append((node.lineno, f"{called.value.id}.{called.attr}"))
        for keyword in node.keywords:
            truth = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if truth and keyword.arg in {"shell", "trust_remote_code", "allow_pickle"}:
                found.append((node.lineno, f"{keyword.arg}=True"))
    return found


def test_no_code_comes_from_data() -> None:
    found = [
        f"{name_of(path)}:{line} {call}"
        for path in source_files()
        for line, call in _unsafe_calls(tree_of(path))
    ]
    assert not found, listed(found)


@pytest.mark.parametrize(
    "line",
    [
        "eval('1')",
        "torch.load(p)",
        "np.load(p, allow_pickle=True)",
        "subprocess.run(c, shell=True)",
    ],
)
def test_the_scan_sees_what_it_looks_for(line: str) -> None:
    assert _unsafe_calls(ast.parse(line))


def _tracked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:  # an unpacked archive: the package alone
        return [name_of(p) for p in SOURCE.rglob("*") if p.is_file()]
    return [name for name in listed.stdout.split("\0") if name]


def _places(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for name in _tracked_files():
        path = ROOT / name
        if not path.is_file() or path.name in {"LICENSE", "test_safety.py"}:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    return found


def test_no_path_of_one_machine() -> None:
    assert _places(MACHINE_PATH) == []


def test_no_registry_is_named() -> None:
    assert _places(REGISTRY_HOST) == []
