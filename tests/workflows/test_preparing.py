"""Which rows of what the user names are learned from, and which are held out."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mason.errors import DataError
from mason.workflows import check, preparing
from mason.workflows.preparing import data_settings, prepare, prepare_test, read_tables
from mason.workflows.tasks import find_task

Folder = Callable[..., Path]
NEEDED = "holds no rows of {}, only of {}; if those are meant"


def write(file: Path, first: str, rows: int = 30, label: bool = True) -> Path:
    """Rows whose texts begin with ``first``, every second one of another label."""
    told = [{"sentence": f"{first} number {i}"} for i in range(rows)]
    labelled = [row | {"label": "ab"[i % 2]} for i, row in enumerate(told)]
    lines = map(json.dumps, labelled if label else told)
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder with a file for each of some splits."""

    def make(name: str, *splits: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        for split in splits:
            write(place / f"{split}.jsonl", f"{name} {split}")
        return place

    return make


def first_text(table: preparing.Table) -> str:
    return str(table.texts("sentence")[0])


@pytest.mark.parametrize("split", ["dev", "test"])
def test_held_out_rows_without_a_column_are_refused_by_name(folder: Folder, split: str) -> None:
    data = folder("clue", "train", "dev")
    write(data / f"{split}.jsonl", "new", label=False)
    sentence = rf"{split}\.jsonl has no column label as .*train\.jsonl has, but sentence; fill it"
    with pytest.raises(DataError, match=sentence):
        prepare(data_settings(data, {}), find_task("classification"), seed=1)
    with pytest.raises(DataError, match=sentence):
        check(data)


def test_a_group_is_asked_for_only_where_rows_are_divided(folder: Folder) -> None:
    data = folder("grouped", "test")
    rows = [{"sentence": f"text {i}", "label": "ab"[i % 2], "by": str(i // 3)} for i in range(60)]
    (data / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = data_settings(data, {"group": "by"})
    made = prepare(settings, find_task("classification"), seed=1)
    assert made.columns.group == "by" and len(made.tables["test"]) == 30


def test_what_is_measured_was_not_learned_from(folder: Folder) -> None:
    task = find_task("classification")
    whole = folder("whole", "train", "dev", "test")
    for data, split, begins in (
        (whole, "test", "whole test"),
        (folder("half", "train", "dev"), "valid", "half dev"),
        (whole / "train.jsonl", "test", "whole train"),  # named itself, it is meant
    ):
        ((name, table),) = prepare_test(data_settings(data, {}), task).tables.items()
        assert name == split and first_text(table).startswith(begins)
    with pytest.raises(DataError, match=NEEDED.format("test, validation", "train")):
        prepare_test(data_settings(folder("bare", "train"), {}), task)


def test_a_source_gives_the_split_it_is_named_for(folder: Folder) -> None:
    data, other = folder("data", "train"), folder("other", "train", "dev", "test")
    settings = data_settings(data, {"valid": str(other), "test": str(other)})
    tables, _ = read_tables(settings)
    begun = {name: first_text(table).rsplit(" ", 2)[0] for name, table in tables.items()}
    assert begun == {"train": "data train", "validation": "other dev", "test": "other test"}
    for name, wanted in (("valid", "validation"), ("test", "test")):
        with pytest.raises(DataError, match=NEEDED.format(wanted, "train")):
            read_tables(data_settings(other, {name: str(data)}))
        two = data_settings(data, {}).model_copy(update={name: ("a.csv", "b.csv")})
        with pytest.raises(DataError, match=rf"data\.{name} names 2 files"):
            read_tables(two)
    with pytest.raises(DataError, match=NEEDED.format("train", "test")):
        prepare(data_settings(folder("late", "test"), {}), find_task(None), seed=1)


def test_a_catalogue_table_that_divides_itself_gives_its_test_rows(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder("data", "train")
    rows = [{"sentence": f"{p} {i}", "part": p} for i in range(9) for p in ("train", "test")]
    (data / "one.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = dict.fromkeys(("text", "label", "group", "target"))
    dataset = SimpleNamespace(**told, split="part", build=lambda: data / "one.jsonl")
    monkeypatch.setattr(preparing, "find_dataset", lambda name: dataset)
    tables, _ = read_tables(data_settings(data, {"test": "catalog:one"}))
    assert {str(text).split()[0] for text in tables["test"].texts("sentence")} == {"test"}
