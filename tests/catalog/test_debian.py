from pathlib import Path

import pytest

from mason.catalog import debian
from mason.catalog.datasets.debian_sections import distinct, held_out, topics
from mason.catalog.debian import Package
from mason.errors import SourceError

STANZAS = """Package: a
Source: s (1.0-2)
Description-en: A tool.
 First line
 .
 second line
Section: games

Package: b
Description-en: Another: tool
"""


def test_stanzas_keep_continuation_lines(tmp_path: Path) -> None:
    file = tmp_path / "Packages"
    file.write_text(STANZAS, encoding="utf-8")
    first, second = debian._stanzas(file)
    assert first["Source"] == "s (1.0-2)" and first["Section"] == "games"
    package = Package("a", "s", "games", first["Description-en"])
    assert package.description == "A tool. First line second line"
    assert second == {"Package": "b", "Description-en": "Another: tool"}


def test_paragraphs_and_items_of_lists_are_lines() -> None:
    about = "a tool.\nIt has\nthree parts:\n* one,\nwith more\n* two\n.\nThat is all."
    assert Package("a", "s", "games", about).paragraphs == (
        "a tool.\nIt has three parts:\n* one, with more\n* two\nThat is all."
    )


def test_no_apt_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    debian._updated.cache_clear()  # an earlier test may have found one
    with pytest.raises(SourceError, match="no apt-get"):
        debian.packages()


def archive() -> list[Package]:
    sizes = {f"topic{n}": 401 + n for n in range(23)} | {"libs": 999, "misc": 998}
    return [
        Package(f"{section}-{n}", f"src-{section}-{n // 2}", section, f"{section} text {n}")
        for section, size in sizes.items()
        for n in range(size)
    ]


def test_the_benchmark_is_the_twenty_largest_topics() -> None:
    found = archive()
    chosen = topics(found)
    sections = {package.section for package in chosen}
    assert sections == {f"topic{n}" for n in range(3, 23)}
    assert len(chosen) == 20 * 400
    assert set(topics(found[::-1])) == set(chosen)


def test_a_description_counts_once() -> None:
    twice = [Package("b", "s", "games", "same"), Package("a", "s", "games", "same")]
    assert [package.name for package in distinct(twice)] == ["a"]


def test_a_tenth_of_the_sources_is_held_out() -> None:
    share = sum(held_out(f"source-{n}") for n in range(10_007)) / 10_007
    assert 0.09 < share < 0.11
    assert [held_out(name) for name in ("0ad", "bash", "gcc-12")] == [True, False, False]
