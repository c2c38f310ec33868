"""Conversations in the forms people have them in: told apart, asked where they cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from mason import language
from mason.data.conversations import CONVERSATION, TURNS, flat_conversations
from mason.data.preferences import flat_preferences
from mason.data.tables import Table, read
from mason.errors import DataError

USER, ANSWER = {"role": "user", "content": "你好"}, {"role": "assistant", "content": "Hello."}
HUMAN, GPT = {"from": "human", "value": "你好"}, {"from": "gpt", "value": "Hello."}
FORMS: dict[str, dict[str, Any]] = {
    "messages: messages": {"messages": [USER, ANSWER]},
    "sharegpt: conversations": {"conversations": [HUMAN, GPT]},
    "alpaca: instruction → output": {"instruction": "你好", "input": "", "output": "Hello."},
    "prompt/completion: prompt → completion": {"prompt": "你好", "completion": "Hello."},
    "prompt/completion: prompt → response": {"prompt": [USER], "response": [ANSWER]},
}
"""As they are said, and a row of each."""


def table_of(folder: Path, *rows: dict[str, Any], name: str = "talk.jsonl") -> Table:
    file = folder / name
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return read(file)


def turns(table: Table, **named: str | None) -> list[list[dict[str, Any]]]:
    flat = flat_conversations(table, **{"text": None, "target": None, **named})
    return [json.loads(cell) for cell in flat.texts(TURNS) if cell]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_and_read(form: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, FORMS[form], FORMS[form])
    flat = flat_conversations(table, text=None, target=None)
    assert flat.layout == form
    assert flat.texts(CONVERSATION) == ["user: 你好\nassistant: Hello."] * 2
    assert turns(table) == [[USER, ANSWER]] * 2
    assert flat.take([1]).layout == form


def test_alpaca_brings_system_input_and_history(tmp_path: Path) -> None:
    row = {
        "instruction": "Add.",
        "input": "1 2",
        "output": "3",
        "system": "Be brief.",
        "history": [["Hi", "Hello."]],
    }
    (found,) = turns(table_of(tmp_path, row))
    assert [(t["role"], t["content"]) for t in found] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Add.\n1 2"),
        ("assistant", "3"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_the_system_begins_the_conversation(form: str, tmp_path: Path) -> None:
    told = {"role": "system", "content": "You are a pirate."}
    row = {**FORMS[form], "system": told["content"], "tools": "[]"}
    assert turns(table_of(tmp_path, row, FORMS[form])) == [[told, USER, ANSWER], [USER, ANSWER]]


def test_a_system_said_twice_is_one_or_is_refused(tmp_path: Path) -> None:
    told = {"role": "system", "content": "Be brief."}
    row = {"messages": [told, USER, ANSWER], "system": "Be brief."}
    assert turns(table_of(tmp_path, row)) == [[told, USER, ANSWER]]
    with pytest.raises(DataError, match="row 2: the conversation begins with a turn of the system"):
        turns(table_of(tmp_path, row, {**row, "system": "Be long."}))


@pytest.mark.parametrize("tools", [[{"name": "look"}], '[{"name": "look"}]'], ids=["list", "text"])
def test_tools_in_a_column_are_refused(tools: object, tmp_path: Path) -> None:
    row = {"conversations": [HUMAN, GPT], "tools": tools}
    with pytest.raises(DataError, match="row 1: the column of tools is not empty"):
        turns(table_of(tmp_path, row))
    assert turns(table_of(tmp_path, {**row, "tools": None})) == [[USER, ANSWER]]


@pytest.mark.parametrize("one", [{"q": "Rome"}, {"city": "Rome", "zip": None}, {"a": {"b": [1]}}])
def test_arguments_of_calls_stay_as_they_were_written(one: object, tmp_path: Path) -> None:
    calls = [{"role": "assistant", "tool_calls": [{"arguments": a}]} for a in (one, {"q": 2})]
    found = turns(table_of(tmp_path, *({"messages": [USER, call, ANSWER]} for call in calls)))
    assert [said[1] for said in found] == [{**call, "content": ""} for call in calls]


@pytest.mark.parametrize("text", ["[1, 2, 3]", "[]", '[{"name": "Ann"}]', "[[1]]"])
def test_an_answer_that_is_json_is_a_text(text: str, tmp_path: Path) -> None:
    (found,) = turns(table_of(tmp_path, {"prompt": "Sort 3 1 2", "completion": text}))
    assert found[1] == {"role": "assistant", "content": text}
    both = {"prompt": "你好", "completion": json.dumps([ANSWER])}
    assert turns(table_of(tmp_path, both)) == [[USER, ANSWER]]


def test_a_csv_holds_turns_as_json_and_what_a_template_may_read_is_kept(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"name": "look"}]}
    file = tmp_path / "talk.csv"
    cell = json.dumps([USER, call, {"role": "tool", "content": "7"}, ANSWER]).replace('"', '""')
    file.write_text(f'messages,topic\n"{cell}",a\n', encoding="utf-8")
    (found,) = turns(read(file))
    assert found[1] == {**call, "content": ""} and found[3] == ANSWER


@pytest.mark.parametrize(
    ("first", "second"),
    [(a, b) for a in FORMS for b in FORMS if a < b and a.split(":")[0] != b.split(":")[0]],
)
def test_two_forms_in_one_table_are_asked_about(first: str, second: str, tmp_path: Path) -> None:
    both = FORMS[first] | FORMS[second]
    with pytest.raises(DataError, match="in more than one way") as told:
        turns(table_of(tmp_path, both))
    assert first in str(told.value) and second in str(told.value)
    column, _, answer = first.split(": ")[1].partition(" → ")
    assert turns(table_of(tmp_path, both), text=column, target=answer or None) == [[USER, ANSWER]]


def test_unknown_names_are_asked_for_and_taken(tmp_path: Path) -> None:
    table = table_of(tmp_path, {"frage": "你好", "antwort": "Hello."})
    with pytest.raises(DataError, match="among frage, antwort there are no conversations"):
        turns(table)
    assert turns(table, text="frage", target="antwort") == [[USER, ANSWER]]
    with pytest.raises(DataError, match="did you mean frage"):
        turns(table, text="Frage", target="antwort")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"messages": [{"content": "Hi"}, ANSWER]}, "turn 1 has no role"),
        ({"messages": [USER, {"role": "assistant"}]}, "turn 2 has no content"),
        ({"messages": [USER, {**ANSWER, "content": " "}]}, "said in turn 2 is empty"),
        ({"messages": [USER, {**ANSWER, "role": "pirate"}]}, "turn 2 has the role 'pirate'"),
        ({"messages": []}, "the conversation is a list without turns"),
        ({"conversations": [HUMAN, {"from": "gpt"}]}, "turn 2 has no value"),
        ({"conversations": [HUMAN, {**GPT, "from": "它"}]}, "turn 2 has the role '它'"),
        ({"instruction": "Hi", "input": "", "output": None}, "the column output is empty"),
        ({"instruction": " ", "input": "", "output": "x"}, "the column instruction is empty"),
        ({"prompt": "Hi", "completion": ""}, "the column completion is empty"),
        ({"prompt": [USER], "completion": [{"role": "assistant"}]}, "turn 1 has no content"),
    ],
)
def test_a_faulty_row_is_named(row: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    good = next(r for r in FORMS.values() if set(r) == set(row))
    if "completion" in row and isinstance(row["prompt"], list):
        good = {"prompt": [USER], "completion": [ANSWER]}
    with pytest.raises(DataError, match=r"talk\.jsonl, row 2: .*") as told:
        turns(table_of(tmp_path, good, row))
    assert sentence in str(told.value)


def test_a_faulty_row_is_named_in_chinese(tmp_path: Path) -> None:
    table = table_of(tmp_path, {"messages": [USER, {"role": "pirate", "content": "Ahoy"}]})
    language.use("zh")
    try:
        with pytest.raises(DataError, match=r"第 1 行：第 2 轮") as told:
            turns(table)
    finally:
        language.use(None)
    assert "pirate" in str(told.value)


PAIR = {"prompt": "你好", "chosen": "Hello.", "rejected": "Go."}
LISTS = {"chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "Go."}]}


@pytest.mark.parametrize("row", [PAIR, LISTS, {**LISTS, "prompt": "你好"}], ids=range(3))
def test_preferences_are_read_with_and_without_their_prompt(
    row: dict[str, Any], tmp_path: Path
) -> None:
    table = flat_preferences(table_of(tmp_path, row), prompt=None, chosen=None, rejected=None)
    (cell,) = table.texts(TURNS)
    better, worse = json.loads(cell or "")
    assert better == [USER, ANSWER] and worse == [USER, {**ANSWER, "content": "Go."}]
    assert table.texts(CONVERSATION) == ["user: 你好"]


def test_preferences_begin_with_the_column_of_the_system(tmp_path: Path) -> None:
    row = table_of(tmp_path, {**PAIR, "system": "Be brief."})
    table = flat_preferences(row, prompt=None, chosen=None, rejected=None)
    (cell,) = table.texts(TURNS)
    told = {"role": "system", "content": "Be brief."}
    assert [side[:2] for side in json.loads(cell or "")] == [[told, USER]] * 2


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({**PAIR, "rejected": "Hello."}, "row 1: the two answers have to differ"),
        ({**PAIR, "rejected": ""}, "row 1: the column rejected is empty"),
        ({**LISTS, "rejected": [ANSWER, USER]}, "row 1: an answer does not end with a turn"),
        ({"prompt": "a", "chosen": "b"}, "which column holds the worse answer"),
        ({**PAIR, "question": "b"}, "which column holds the prompt"),
    ],
)
def test_faulty_preferences_are_named(row: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        flat_preferences(table_of(tmp_path, row), prompt=None, chosen=None, rejected=None)
