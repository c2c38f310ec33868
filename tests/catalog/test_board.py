"""The board of figures, and the archive of Papers with Code."""

import gzip
import json
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mason.catalog.archive import read_archive
from mason.catalog.board import Board, Measured, Published, default_board
from mason.errors import DataError, SourceError

FOUND = Measured(
    "2026-11-29T07:00:00+00:00", "trec", True, "classification", "catalog:trec", "test", 538,
    "all-MiniLM-L6-v2", "accuracy", 0.93, 0.91, 0.95, 61.5, 10**9, "a machine", "mason train", "1",
)  # fmt: skip

DUMP = [
    {
        "task": "Text Classification",
        "datasets": [
            {
                "dataset": "TREC-6",
                "sota": {
                    "metrics": ["Error"],
                    "rows": [
                        {
                            "model_name": "USE_T+CNN",
                            "metrics": {"Error": "1.93", "Note": "best of many"},
                            "paper_title": "Universal Sentence Encoder",
                            "paper_date": "2018-03-29",
                            "paper_url": "an address",
                        },
                        {"model_name": "odd", "metrics": None},
                    ],
                },
            }
        ],
        "subtasks": [
            {
                "task": "Sentiment",
                "datasets": [
                    {
                        "dataset": "SST-2",
                        "sota": {
                            "rows": [
                                {
                                    "model_name": "T5",
                                    "metrics": {"Accuracy": "97.5 %", "n": "1,821"},
                                }
                            ]
                        },
                    }
                ],
            }
        ],
    }
]


def _add(path: Path) -> None:
    for _ in range(20):
        Board(path).add(FOUND)


def test_what_is_written_comes_back_the_newest_first(tmp_path: Path) -> None:
    board = Board(tmp_path / "a" / "board.sqlite")
    assert board.measured() == [] and board.published() == []
    later = replace(FOUND, created="2026-11-30T07:00:00+00:00", small=False, value=0.5)
    board.add(FOUND)
    board.add(later)
    assert board.measured() == [later, FOUND]
    assert isinstance(board.measured()[0].small, bool)


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_add, [path, path]))
    assert len(Board(path).measured()) == 40


def test_no_board_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    path.write_bytes(b"no data base at all, but long enough to be looked at" * 20)
    with pytest.raises(SourceError, match="cannot be used"):
        Board(path).measured()
    with pytest.raises(SourceError, match="cannot be used"):
        Board(path / "below a file").add(FOUND)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as base:
        base.execute("CREATE TABLE measured (something TEXT)")
    with pytest.raises(SourceError, match="cannot be used"):
        Board(other).measured()


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_board() is None
    monkeypatch.setenv("MASON_CATALOG", str(tmp_path / "mine"))
    assert default_board() == tmp_path / "mine"
    monkeypatch.delenv("MASON_CATALOG")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_board() == tmp_path / "mason" / "catalog.sqlite"


@pytest.mark.parametrize("packed", [False, True])
def test_the_archive(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / ("evaluation-tables.json" + ".gz" * packed)
    content = json.dumps(DUMP).encode()
    file.write_bytes(gzip.compress(content) if packed else content)
    found = list(read_archive(file))
    assert found == [
        Published(
            "Text Classification", "TREC-6", "Error", 1.93, "USE_T+CNN",
            "Universal Sentence Encoder", "2018-03-29", "an address",
        ),
        Published("Sentiment", "SST-2", "Accuracy", 97.5, "T5", "", "", ""),
        Published("Sentiment", "SST-2", "n", 1821.0, "T5", "", "", ""),
    ]  # fmt: skip
    board = Board(tmp_path / "board.sqlite")
    assert board.add_published(found) == 3 and board.add_published(found) == 0
    assert sorted(board.published()) == sorted(found)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'[{"name": "x"}]', b"[" * 100_000, b"\xff\xfe", b"\x1f\x8b"]
)
def test_no_archive_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    for name in ("tables.json", "tables.json.gz"):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_archive(file)


def test_an_endless_archive_is_no_stack(tmp_path: Path) -> None:
    deep: dict[str, object] = {"task": "a"}
    for _ in range(300):
        deep = {"task": "a", "subtasks": [deep], "datasets": []}
    file = tmp_path / "deep.json"
    file.write_text(json.dumps([deep]))
    assert list(read_archive(file)) == []
