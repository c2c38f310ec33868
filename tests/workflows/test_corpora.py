"""From names to documents: files and data sets of the catalogue side by side."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mason import catalog
from mason.errors import DataError, SourceError
from mason.workflows.corpora import find_corpus


@pytest.fixture
def small_brown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set ``brown`` with two rows of our own, built into a cache of the test's own."""
    rows = [("One fish.\nTwo fish.", "ca01", "a"), ("Red fish.", "ca02", "a")]
    dataset = replace(catalog.find("brown"), rows=lambda: rows, num_rows=2)
    monkeypatch.setitem(catalog.DATASETS, "brown", dataset)
    monkeypatch.setenv("MASON_CACHE", str(tmp_path / "cache"))


def test_names_of_the_catalogue_stand_beside_files(small_brown: None, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "b.txt"
    first.write_text(json.dumps({"body": "Blue fish."}) + "\n")
    second.write_text("Old fish.\n\nNew fish.\n")
    corpus = find_corpus([str(first), "catalog:brown", str(tmp_path / "*.txt")], text="body")
    assert list(corpus) == [
        ("Blue fish.", 0),
        ("One fish.\nTwo fish.", 1),
        ("Red fish.", 1),
        ("Old fish.", 2),
        ("New fish.", 2),
    ]
    assert list(corpus.texts()) == [text for text, _ in corpus]
    assert corpus.num_bytes == sum(file.stat().st_size for file in corpus.files)


def test_a_file_that_two_sources_name_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("Fish.")
    assert list(find_corpus([str(file), str(tmp_path)])) == [("Fish.", 0)]


def test_facts_change_with_the_files(small_brown: None, tmp_path: Path) -> None:
    facts = find_corpus("catalog:brown").facts()
    assert find_corpus("catalog:brown").facts() == facts
    with catalog.find("brown").build().open("a", newline="") as stream:
        csv.writer(stream).writerow(["Dead fish.", "ca03", "a"])
    table = catalog.find("brown").build()  # damaged, so made again
    table.touch()
    assert find_corpus("catalog:brown").facts() != facts


def test_sources_that_name_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no file"):
        find_corpus([str(tmp_path / "*.txt")])
    with pytest.raises(SourceError, match="no data set brwn; try brown"):
        find_corpus("catalog:brwn")
