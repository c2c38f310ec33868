"""The page on the data doctor names every finding, and no other."""

import ast
import re

from tests.contracts.source_tree import ROOT, SOURCE, tree_of


def _codes() -> set[str]:
    """First words of ``….finding("code", …)`` and of ``Finding(code="code")``."""
    codes = set()
    calls = (n for p in (SOURCE / "data").rglob("*.py") for n in ast.walk(tree_of(p)))
    for call in calls:
        if not isinstance(call, ast.Call):
            continue
        named = [k.value for k in call.keywords if k.arg == "code"]
        if isinstance(call.func, ast.Attribute) and call.func.attr == "finding":
            named += call.args[:1]
        codes |= {n.value for n in named if isinstance(n, ast.Constant)}
    return codes


def test_every_finding_is_explained() -> None:
    page = (ROOT / "docs" / "data-doctor.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    explained = {code for cell in rows for code in re.findall(r"`([a-z-]+)`", cell)}
    assert explained == _codes()
