"""From names to documents: files and data sets of the catalogue side by side."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

import mason
from mason import catalog
from mason.errors import DataError, SettingsError, SourceError
from mason.reports import validate
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


def _told(path: Path, words: str, num: int = 60) -> str:
    """A file of documents that share no run of words."""
    rng = random.Random(words)
    texts = [" ".join(rng.choices(words.split(), k=40)) + "." for _ in range(num)]
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return texts[0]


def test_a_run_says_what_it_left_out_and_how_it_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASON_CACHE", str(tmp_path / "cache"))
    first = _told(tmp_path / "a.txt", "red green blue white black brown grey pink")
    _told(tmp_path / "b.txt", "one two three four five six seven eight nine ten")
    with (tmp_path / "b.txt").open("a") as stream:
        stream.write(f"\n\n{first}\n\nsomewhat {first}")
    leak = "two words before " + " ".join(first.split()[5:25])
    (tmp_path / "test.txt").write_text(leak)
    said: list[str] = []
    options = {
        "model.shape": "bert-tiny",
        "model.vocab_size": 300,
        "model.max_tokens": 48,
        "training.max_steps": 1,
        "training.tokens_per_batch": 512,
        "data.valid_share": 0.1,
        "data.weights": "1,3",
    }
    sources = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    run = mason.pretrain(sources, output=tmp_path / "out", notice=said.append, **options)
    told = validate(run.results).pretraining
    assert told is not None
    corpus = told.corpus
    assert (corpus.num_read, corpus.num_copies, corpus.num_near_copies) == (122, 1, 1)
    assert "Documents left out, nearly like an earlier one: 1 (data.deduplicate)." in said
    assert [(source.weight, source.num_documents) for source in corpus.sources] == [
        (1, 60),
        (3, 60),
    ]
    assert corpus.sources[1].share > 0.7
    assert "3 times an epoch" in (run.folder / "report.html").read_text(encoding="utf-8")
    guarded = {**options, "data.exclude": str(tmp_path / "test.txt")}
    run = mason.pretrain(sources, output=tmp_path / "guarded", **guarded)
    assert run.results["pretraining"]["corpus"]["num_excluded"] == 2  # the copy counts as such
    with pytest.raises(SettingsError, match=r"has 2 numbers, but data\.train names 1 sources"):
        mason.pretrain(sources[0], output=tmp_path / "no", **options)
