"""SQuAD's json and other tables of questions; mistakes name their row."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mason.data.questions import Question, find_question_columns, questions_of
from mason.data.tables import read
from mason.errors import DataError

TEXT = "Paris is in France. Rome is in Italy; Paris is not."
WANTED = Question("Where is Rome?", TEXT, ((31, 36),))


def squad(*qas: dict[str, Any]) -> str:
    paragraphs = [{"context": TEXT, "qas": list(qas)}]
    return json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]})


def questions(file: Path) -> list[Question]:
    table = read(file)
    return questions_of(table, find_question_columns(table))


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_squad_1_and_2(tmp_path: Path) -> None:
    first = {"id": "x", "question": WANTED.question}
    first |= {"answers": [{"text": "Italy", "answer_start": 31}]}
    none = {"id": "y", "question": "Where is Oslo?", "is_impossible": True, "answers": []}
    none |= {"plausible_answers": [{"text": "France", "answer_start": 12}]}
    found = questions(write(tmp_path, "train.json", squad(first, none)))
    assert found == [WANTED, Question("Where is Oslo?", TEXT, ())]
    assert found[0].texts == ["Italy"]


def test_a_table_finds_answers_without_places(tmp_path: Path) -> None:
    rows = [{"question": WANTED.question, "context": TEXT, "answer": "Italy"}]
    rows.append({"question": "Which?", "context": TEXT, "answer": "Paris", "answer_start": 38})
    file = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert questions(file) == [WANTED, Question("Which?", TEXT, ((38, 43),))]
    text = f'question,context,answers\nWhere is Rome?,"{TEXT}",Italy\nWhere?,"{TEXT}",\n'
    assert questions(write(tmp_path, "a.csv", text)) == [WANTED, Question("Where?", TEXT, ())]


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    answers = [{"text": ["Italy"], "answer_start": [31]}, {"text": [], "answer_start": []}]
    frame = pl.DataFrame(
        {"question": [WANTED.question, "Who?"], "context": [TEXT] * 2, "answers": answers},
        schema_overrides={
            "answers": pl.Struct({"text": pl.List(pl.String), "answer_start": pl.List(pl.Int32)})
        },
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert questions(tmp_path / "a.parquet") == [WANTED, Question("Who?", TEXT, ())]


@pytest.mark.parametrize("start", ["38", "38.0", " 38. "])
def test_a_start_may_be_written_as_pandas_does(start: str, tmp_path: Path) -> None:
    text = f'question,context,answer,answer_start\nWhich?,"{TEXT}",Paris,{start}\n'
    assert questions(write(tmp_path, "a.csv", text))[0].answers == ((38, 43),)


def test_characters_beyond_the_first_plane_count_as_one(tmp_path: Path) -> None:
    context = "😀😀 两只猫在北京。"
    row = {"question": "在哪儿？", "context": context, "answer": "北京", "answer_start": 7}
    found = questions(write(tmp_path, "a.jsonl", json.dumps(row)))
    assert found[0].texts == ["北京"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"question": "Q?", "context": TEXT, "answer": "Oslo"},
            "row 1: the answer 'Oslo' does not",
        ),
        (
            {"question": "Q?", "context": TEXT, "answer": "Rome", "answer_start": 3},
            r"its text \(3\)",
        ),
        (
            {"question": "Q?", "context": TEXT, "answer": "Rome", "answer_start": "20.5"},
            r"a\.jsonl, row 1, column answer_start: the start '20\.5' is no number",
        ),
        (
            {"question": "Q?", "context": TEXT, "answers": [{"answer_start": 3}]},
            "row 1: the answer None does not stand",
        ),
        ({"question": "Q?", "answer": "Rome", "context": None}, "row 1: the question or its text"),
        ({"question": "Q?", "story": TEXT, "answer": "Rome"}, "which column holds the context"),
        ({"question": "Q?", "context": TEXT, "reply": "Rome"}, "--label COLUMN"),
    ],
)
def test_mistakes_name_their_row(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        questions(write(tmp_path, "a.jsonl", json.dumps(row)))


def test_a_broken_squad_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="article 1: this is not as SQuAD writes it"):
        questions(write(tmp_path, "a.json", squad({"id": "x", "answers": []})))
