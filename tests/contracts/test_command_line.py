"""The command line is frozen, and the documentation shows what it is.

A fenced block tagged ``run`` (```` ```sh run ````, ```` ```python run ````) is run, in order, in
a fresh folder with two small tables; the name of a model stands for a tiny one. Every other
``mason …`` line must be a command with options that exist.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mason.settings.aliases import ALIASES, SHORTHANDS
from mason.settings.schema import paths
from tests.contracts.command_line import FROZEN, commands, listing, parse
from tests.contracts.pages import PAGES, blocks_of, name_of
from tests.contracts.source_tree import ROOT, listed
from tests.contracts.test_translations import merged
from tests.contracts.tiny import write_model, write_tables

MODEL_NAME = "all-MiniLM-L6-v2"
ROW = re.compile(r"^\| `mason (?P<name>[a-z]+)` \|", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z.-]*[a-z]")
# llama-gguf-split's; cyclopts adds --help to every command; torchrun's.
NOT_OURS = {"--merge", "--help", "--nproc-per-node"}

RUNNING = [page for page in PAGES if any(block.run for block in blocks_of(page))]
RUNNING = [page for page in RUNNING if page.name != "README.zh-CN.md" and "zh" not in page.parts]


def test_command_line_is_frozen() -> None:
    """After a change that is meant: ``python -m tests.contracts.command_line``."""
    assert listing() == FROZEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_readme_lists_the_commands(page: str) -> None:
    shown = ROW.findall((ROOT / page).read_text(encoding="utf-8"))
    assert sorted(shown) == sorted({name.split()[0] for name, _ in commands()})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    wrong = {
        f"{block.where} {shlex.join(words)}": problem
        for block in blocks_of(page)
        for words in block.commands
        if (problem := parse(words[1:]))
    }
    assert not wrong, listed(wrong)


def test_messages_name_options_that_exist() -> None:
    settings = {f"--{name.replace('_', '-')}" for name in (*ALIASES, *SHORTHANDS, *paths())}
    known = settings | set(OPTION.findall(listing())) | NOT_OURS
    wrong = {
        template: ", ".join(sorted(surplus))
        for template in merged()
        if (surplus := set(OPTION.findall(template)) - known)
    }
    assert not wrong, listed(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    write_tables(tmp_path)
    model = write_model(tmp_path / "tiny-model")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MASON_CACHE": str(tmp_path / "cache"),
    }
    for block in blocks_of(page):
        if not block.run:
            continue
        text = block.text.replace(MODEL_NAME, str(model))
        command = ["sh", "-e", "-c", text] if block.kind == "sh" else [sys.executable, "-c", text]
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{block.where}\n{result.stdout}\n{result.stderr}"
