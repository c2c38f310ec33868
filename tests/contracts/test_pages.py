"""The documentation holds together: links, code that parses, one layout, two languages."""

import ast
import re
from pathlib import Path

import pytest

from tests.contracts.pages import FENCE, PAGES, blocks_of, name_of
from tests.contracts.source_tree import ROOT, SOURCE, listed

LINK = re.compile(r"\]\((?!https?:|#)(?P<path>[^)#\s]+)")
SECRET = re.compile(r"\bTODO\b|\bFIXME\b|<!-- (?!settings|end of)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_parses(page: Path) -> None:
    for block in blocks_of(page):
        if block.kind == "python":
            ast.parse(block.text, filename=block.where)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    dead = [m["path"] for m in LINK.finditer(text) if not (page.parent / m["path"]).exists()]
    assert not dead, listed(dead)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_left_to_fill_in(page: Path) -> None:
    assert not SECRET.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("README.md", "README.zh-CN.md"),
        ("docs/getting-started.md", "docs/zh/getting-started.md"),
        ("docs/several-processes.md", "docs/zh/several-processes.md"),
        ("docs/export.md", "docs/zh/export.md"),
        ("docs/compression.md", "docs/zh/compression.md"),
    ],
)
def test_both_languages_show_the_same_code(english: str, chinese: str) -> None:
    first, second = (
        [(b.kind, b.run, _without_remarks(b.text)) for b in blocks_of(ROOT / name)]
        for name in (english, chinese)
    )
    assert first == second


def _without_remarks(text: str) -> list[str]:
    """Lines without what is said in words: shell comments, and the text of the layout."""
    lines = [re.sub(r"\s+#.*", "", line).rstrip() for line in text.splitlines()]
    layout = lines and lines[0] == "src/mason/"
    return [line.split()[0] for line in lines] if layout else lines


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_readme_has_two_set_up_commands(page: str) -> None:
    first = next(b for b in blocks_of(ROOT / page) if b.kind == "sh")
    assert _without_remarks(first.text) == ["make demo", "make test"]


def test_readme_layout_is_the_layout() -> None:
    shown = next(b for b in blocks_of(ROOT / "README.md") if b.text.startswith("src/mason/"))
    rooms = [line.split()[0] for line in shown.text.splitlines()[1:]]
    there = {
        p.stem
        for p in SOURCE.iterdir()
        if (p.is_dir() or p.suffix == ".py") and not p.name.startswith(("_", "."))
    }
    assert sorted(rooms) == sorted(there)


def test_every_example_is_listed() -> None:
    listed_ones = LINK.findall((ROOT / "examples" / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed_ones) == sorted(p.name for p in (ROOT / "examples").glob("*.py"))
