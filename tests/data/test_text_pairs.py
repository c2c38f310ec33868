"""Which column is read and which is written; parallel files; what is asked instead of guessed."""

import json
from pathlib import Path

import pytest

from mason.data.column_names import is_language
from mason.data.parallel import read_parallel
from mason.data.tables import Table, read
from mason.data.text_pairs import find_text_pair, flat_texts
from mason.errors import DataError


def table(tmp_path: Path, *rows: dict[str, object]) -> Table:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return flat_texts(read(file))


@pytest.mark.parametrize(
    "names",
    [("source", "target"), ("prompt", "completion"), ("document", "summary"), ("原文", "译文")],
)
def test_usual_names_decide(tmp_path: Path, names: tuple[str, str]) -> None:
    found = find_text_pair(table(tmp_path, {names[0]: "a", names[1]: "b", "id": 1}))
    assert (found.text, found.target) == names


def test_alpacas_input_goes_on_with_its_instruction(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Translate.", "input": "good day", "output": "bonjour"},
        {"instruction": "Say hello.", "input": "", "output": "hello"},
    ]
    given = table(tmp_path, *rows)
    found = find_text_pair(given)
    assert (found.text, found.target) == ("instruction", "output")
    assert given.texts("instruction") == ["Translate.\ngood day", "Say hello."]


def test_nested_translations_become_columns_and_the_direction_is_asked(tmp_path: Path) -> None:
    given = table(tmp_path, {"translation": {"en": "cat", "fr": "chat"}})
    with pytest.raises(DataError, match="languages en, fr; say from which to which"):
        find_text_pair(given)
    assert find_text_pair(given, text="fr").target == "en"


def test_more_than_one_reading_is_asked(tmp_path: Path) -> None:
    given = table(tmp_path, {"text": "a", "document": "b", "summary": "c"})
    with pytest.raises(DataError, match="text → summary; document → summary"):
        find_text_pair(given)
    assert find_text_pair(given, text="document").target == "summary"


def test_no_usual_names_are_asked_for_and_wrong_ones_are_told(tmp_path: Path) -> None:
    given = table(tmp_path, {"left": "a", "right": "b"})
    with pytest.raises(DataError, match="among left, right there are no two columns"):
        find_text_pair(given)
    with pytest.raises(DataError, match="no column"):
        find_text_pair(given, text="left", target="summary")
    with pytest.raises(DataError, match="named both"):
        find_text_pair(given, text="left", target="left")
    assert find_text_pair(given, text="left", need_target=False).target is None


def test_parallel_files_are_one_table(tmp_path: Path) -> None:
    for name, text in {
        "train.en": "one\ntwo\n\nfour\n",
        "train.fr": "un\ndeux\ntrois\nquatre\n",
        "dev.en": "five\n",
        "dev.fr": "cinq\r\n",
        "readme.md": "not a language\n",
    }.items():
        (tmp_path / name).write_bytes(text.encode())
    found = read_parallel(tmp_path)
    assert found is not None and list(found) == ["train", "validation"]
    assert found["train"].texts("en") == ["one", "two", None, "four"]
    assert found["validation"].texts("fr") == ["cinq"]
    alone = read_parallel(tmp_path / "train.fr")
    assert alone is not None and alone["all"].frame.equals(found["train"].frame)
    assert read_parallel(tmp_path / "readme.md") is None


def test_parallel_files_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "train.fr").write_text("un\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.en: 2, train\.fr: 1"):
        read_parallel(tmp_path)


def test_codes_of_languages() -> None:
    assert all(map(is_language, ("en", "zh_CN", "pt-br", "sr_Latn")))
    assert not any(map(is_language, ("english", "md", "en_core_web", "text")))
