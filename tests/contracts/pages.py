"""The pages of the documentation, and their fenced blocks."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.source_tree import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted((ROOT / "recipes").rglob("*.md")),
]
FENCE = re.compile(r"^```(?P<tag>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    where: str
    kind: str
    run: bool
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The ``mason`` lines of a shell block, or of one without a tag, split into words."""
        if self.kind not in ("sh", "bash", ""):
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        if not self.kind:  # the others may be anything
            lines = [line for line in lines if line.startswith("mason ")]
        split = [words for line in lines if (words := shlex.split(line, comments=True))]
        return [words for words in split if Path(words[0]).name == "mason"]


def name_of(page: Path) -> str:
    """A page's path as messages show it."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        words = match["tag"].split()
        where = f"{name_of(page)}:{line}"
        blocks.append(Block(where, words[0] if words else "", "run" in words, match["text"]))
    return blocks
