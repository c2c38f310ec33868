"""The table of settings in the documentation is what the settings say of themselves.

``python -m tests.contracts.test_settings_page`` writes it anew.
"""

import pytest

from mason import language
from mason.settings import Settings, describe, load_settings
from mason.settings.load import wanted
from mason.settings.schema import paths
from tests.contracts.source_tree import ROOT

PAGE = ROOT / "docs" / "settings.md"
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
START, END = "test_settings_page` -->\n", "<!-- end of settings -->"


def _default(path: str) -> str:
    value: object = Settings()
    for part in path.split("."):
        value = getattr(value, part)
    return "" if value is None else f"`{str(value).lower()}`"


def _table() -> str:
    rows = ["| setting | means | may be | if left out |", "|---|---|---|---|"]
    rows += [f"| `{p}` | {describe(p)} | {wanted(p)} | {_default(p)} |" for p in paths()]
    return "\n".join(rows) + "\n"


def _parts() -> tuple[str, str, str]:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    table, _, after = rest.partition(END)
    return before + START, table, END + after


def test_page_shows_every_setting() -> None:
    assert _parts()[1].strip() == _table().strip()


def test_every_setting_is_described_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    english = {path: describe(path) for path in paths()}
    monkeypatch.setattr(language, "_chosen", "zh")
    assert [path for path in paths() if describe(path) == english[path]] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_read(recipe) -> None:
    resolved = load_settings(recipe)
    assert resolved.settings.task
    assert not resolved.aliases, "a recipe uses Mason's own names"


def test_there_are_recipes() -> None:
    assert RECIPES


if __name__ == "__main__":
    language.use("en")
    start, _, end = _parts()
    PAGE.write_text(f"{start}{_table()}{end}", encoding="utf-8")
