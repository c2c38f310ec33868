import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from mason.data.cleaning import clean
from mason.data.columns import Columns
from mason.data.doctor import examine
from mason.data.findings import Finding
from mason.data.minhash import near_copies, overlap
from mason.data.parts import text_frame
from mason.data.tables import Table

COLUMNS = Columns("text", label="label")
WORDS = (
    "river engine market copper letter winter garden silver doctor planet kitchen window "
    "forest bridge signal violin castle pepper island marble thunder ribbon harbor lantern"
).split()
Rows = list[tuple[str | None, str | None]]


def _table(rows: Rows, name: str = "train.csv") -> Table:
    frame = text_frame({"text": [t for t, _ in rows], "label": [y for _, y in rows]})
    return Table(frame, range(2, len(rows) + 2), Path(name), "csv", "utf-8")


def _clean_rows(num: int = 60, seed: int = 0) -> Rows:
    """Sentences of random words, half of them each label."""
    chance = random.Random(seed)
    return [(" ".join(chance.choices(WORDS, k=9)), ("yes", "no")[i % 2]) for i in range(num)]


def _found(rows: Rows, **held_out: Rows) -> dict[str, Finding]:
    splits = {"train": _table(rows)} | {n: _table(r, f"{n}.csv") for n, r in held_out.items()}
    return {finding.code: finding for finding in examine(splits, COLUMNS)}


def test_clean_data_has_no_findings() -> None:
    assert _found(_clean_rows(), test=_clean_rows(20, seed=1)) == {}


def test_missing_texts_and_labels() -> None:
    found = _found([*_clean_rows(), (None, "yes"), (" \t", "no"), ("a lone text", None)])
    assert found["missing-text"].count == 2 and found["missing-text"].row == 62
    assert found["missing-label"].row == 64 and found["missing-label"].column == "label"
    assert {f.severity for f in found.values()} == {"warning"}
    nothing = _found([("a b c d", None), ("e f g h", None)])
    assert nothing["missing-label"].severity == "error"


def test_one_label_and_constant_text_are_errors() -> None:
    assert _found([(t, "yes") for t, _ in _clean_rows()])["one-label"].severity == "error"
    constant = _found([("the same", "yes"), ("the same", "no")])
    assert constant["constant-text"].severity == "error"


def test_label_spellings() -> None:
    rows = _clean_rows()
    rows[10] = (rows[10][0], "ＹＥＳ ")
    finding = _found(rows)["label-spellings"]
    assert finding.row == 12 and "'yes', 'ＹＥＳ '" in finding.reason


def test_imbalance_and_few_rows() -> None:
    rows = [(t, "rare" if i == 7 else "often") for i, (t, _) in enumerate(_clean_rows())]
    found = _found(rows)
    assert found["imbalance"].reason == "The label often has 59 rows and rare has 1."
    assert found["few-rows"].row == 9
    assert "imbalance" not in _found([*rows[:8], ("some other words here", "rare")])


def test_unseen_labels_refuse_only_in_number() -> None:
    held_out = _clean_rows(40, seed=1)
    held_out[3] = ("a marble ribbon of thunder", "maybe")
    assert _found(_clean_rows(), test=held_out)["unseen-label"].severity == "warning"
    finding = _found(_clean_rows(), test=[(t, f"{y}!") for t, y in held_out])["unseen-label"]
    assert finding.severity == "error" and finding.file == "test.csv" and finding.count == 40


def test_measurements_are_not_classes() -> None:
    rows = [(t, str(round(i * 0.13 - 3, 2))) for i, (t, _) in enumerate(_clean_rows())]
    finding = _found(rows)["numeric-labels"]
    assert finding.severity == "error" and "60 different numbers, such as -3.0" in finding.reason
    stars = [(t, str(i % 5 + 1.0)) for i, (t, _) in enumerate(_clean_rows(200))]
    assert "numeric-labels" not in _found(stars)
    fifty = [(t, str(i % 50)) for i, (t, _) in enumerate(_clean_rows(600))]
    assert "numeric-labels" not in _found(fifty)


@pytest.mark.parametrize(
    "text",
    [
        "Le cafÃ© est fermÃ©",
        "itâ€™s fine",
        "锟斤拷锟斤拷",
        "a \ufffd b",
        "浣犲ソ涓栫晫鍟�",
        "ðŸ˜€ nice",
        "ä½ å¥½ä¸–ç•Œ",
    ],
)
def test_mojibake(text: str) -> None:
    assert _found([*_clean_rows(), (text, "yes")])["mojibake"].row == 62


@pytest.mark.parametrize(
    "text",
    [
        "Le café est fermé à « Âne »",
        "ÃO SÃO",
        "Olé…” said she",
        "这本书的内容很好看值得推荐",
        "一二三四联通公司",
    ],
)
def test_ordinary_accents_and_chinese_are_no_mojibake(text: str) -> None:
    assert "mojibake" not in _found([*_clean_rows(), (text, "yes")])


def test_html_invisible_characters_and_other_scripts() -> None:
    odd = [("fine<br />film &amp; more", "yes"), ("zero\u200bwidth here", "no"), ("很好看", "yes")]
    found = _found(
        [*_clean_rows(), *odd, ("2 < 3 & 4 > 1", "no"), ("👩\u200d👧 family ❤\ufe0f", "no")]
    )
    assert (found["html"].row, found["html"].count) == (62, 1)
    assert (found["invisible-characters"].row, found["invisible-characters"].count) == (63, 1)
    assert found["invisible-characters"].examples[0].text == "zero\\u200bwidth here"
    assert (found["other-script"].row, found["other-script"].count) == (64, 1)
    assert {f.severity for f in found.values()} == {"note"}


def test_duplicates_conflicts_and_near_duplicates() -> None:
    rows = _clean_rows()
    text = str(rows[0][0])
    extra: Rows = [(text, "yes"), (text.upper(), "no"), (text + " too", "yes")]
    found = _found([*rows, *extra])
    assert (found["duplicates"].row, found["duplicates"].count) == (62, 1)
    assert (found["conflicting-labels"].row, found["conflicting-labels"].count) == (63, 1)
    near = found["near-duplicates"]
    assert near.count == 1 and [e.row for e in near.examples] == [2, 64]


def test_leaks_between_train_and_test() -> None:
    rows = _clean_rows()
    test: Rows = [(str(rows[4][0]).title(), "yes"), (f"{rows[5][0]}!", "no"), ("new words", "no")]
    found = _found(rows, test=test)
    assert (found["leak"].file, found["leak"].row, found["leak"].count) == ("test.csv", 2, 1)
    assert (found["near-leak"].file, found["near-leak"].row) == ("test.csv", 3)
    assert "duplicates" not in found


def test_telling_words() -> None:
    rows = _clean_rows(200)
    marked = [(f"{t} §" if y == "yes" else t, y) for t, y in rows]
    finding = _found(marked)["telling-word"]
    assert finding.severity == "warning" and "'§' has the label yes, and 100%" in finding.reason
    some = [(f"{t} why" if i % 4 == 0 else t, y) for i, (t, y) in enumerate(rows)]
    assert _found(some)["telling-word"].severity == "note"
    named = [(f"{t} yes" if i % 4 == 0 else t, y) for i, (t, y) in enumerate(rows)]
    assert _found(named)["telling-word"].severity == "warning"
    chinese: Rows = [
        (
            f"{'差评' if i % 3 == 1 else '包裹'}{chr(0x5000 + i)}{chr(0x6000 + i)}",
            "neg" if i % 3 else "pos",
        )
        for i in range(120)
    ]
    assert "差" in _found(chinese)["telling-word"].reason
    most = [(f"{t} the", "spam" if i % 30 == 0 else "ham") for i, (t, _) in enumerate(rows)]
    assert "telling-word" not in _found(most)


def test_lengths() -> None:
    def token_counts(texts: Sequence[str]) -> list[int]:
        return [0 if text == "###" else len(text.split()) for text in texts]

    rows: Rows = [("a b c d", "x"), ("###", "y"), ("a b c d e f g h i j", "x"), (None, "y")]
    found = {
        f.code: f
        for f in examine({"all": _table(rows)}, COLUMNS, token_counts=token_counts, max_tokens=6)
    }
    assert found["no-tokens"].row == 3
    assert found["too-long"].reason == (
        "Texts longer than 6 tokens: 1, 25.0% of the rows; 28.6% of all tokens are cut off."
    )
    assert "up to 10" in found["too-long"].fix
    written = Columns(COLUMNS.text, target=COLUMNS.label)
    pairs = {"all": _table([("a b", "c d e f g h i"), ("c", "d")])}
    told = examine(pairs, written, token_counts=token_counts, max_tokens=6)
    assert [f.column for f in told if f.code == "too-long"] == [COLUMNS.label]


def test_findings_become_json_and_errors_come_first() -> None:
    rows: Rows = [("same", "yes"), ("same", "yes"), ("same", "yes")]
    found = examine({"all": _table(rows)}, COLUMNS)
    assert [f.severity for f in found] == sorted(
        (f.severity for f in found), key=["error", "warning", "note"].index
    )
    assert found[0].to_dict()["examples"][0] == {"row": 2, "text": "same"}


def test_unlabelled_text_is_examined() -> None:
    found = examine({"all": _table([("a", None), ("a", None)])}, Columns("text"))
    assert {f.code for f in found} == {"constant-text", "duplicates"}


def test_pairs_are_one_text() -> None:
    frame = text_frame({"a": ["x", "x", None], "b": ["y", "z", "w"], "label": ["1", "0", "1"]})
    table = Table(frame, [2, 3, 4], Path("a.csv"), "csv", "utf-8")
    found = examine({"all": table}, Columns("a", "b", "label"))
    assert {f.code for f in found} >= {"missing-text"}
    assert "conflicting-labels" not in {f.code for f in found}


def test_clean_drops_what_it_says() -> None:
    rows: Rows = [
        ("one fine text", "yes"),
        ("one fine text ", "yes"),
        ("one fine text", "no"),
        ("asked in the test", "yes"),
        (None, "no"),
        ("no label", None),
    ]
    test: Rows = [
        ("Asked in  the TEST", "yes"),
        ("asked twice", "no"),
        ("asked twice", "no"),
        ("", "no"),
    ]
    tables, notes = clean({"train": _table(rows), "test": _table(test, "test.csv")}, COLUMNS)
    assert list(tables["train"].rows) == [2, 4] and list(tables["test"].rows) == [2, 3, 4]
    assert {(n.code, n.file, n.count) for n in notes} == {
        ("dropped-incomplete", "train.csv", 2),
        ("dropped-leaks", "train.csv", 1),
        ("dropped-duplicates", "train.csv", 1),
        ("dropped-incomplete", "test.csv", 1),
    }
    again, none = clean(tables, COLUMNS)
    assert none == [] and again["train"] is tables["train"]


@pytest.mark.parametrize(
    ("columns", "conflicts"),
    [
        (Columns("text", answer="more"), 1),
        (Columns("text", answers=("same", "more")), 1),
        (Columns("text", "same", negative="more"), 0),
        (Columns("text", target="same", suffix="more"), 0),
        (Columns("text", answer="more", layout="messages"), 0),
    ],
    ids=["answer", "answers", "negative", "suffix", "conversation"],
)
@pytest.mark.parametrize("cells", [["3", "5", "3"], [["O"], ["B-A"], ["O"]]], ids=["text", "list"])
def test_answers_make_a_row_what_it_is(
    columns: Columns, conflicts: int, cells: list[object]
) -> None:
    frame = pl.DataFrame({"text": ["the film was fine"] * 3, "same": ["1"] * 3, "more": cells})
    table = Table(frame, [2, 3, 4], Path("a.csv"), "csv", "utf-8")
    tables, notes = clean({"train": table}, columns)
    assert list(tables["train"].rows) == [2, 3]
    assert [(note.code, note.row) for note in notes] == [("dropped-duplicates", 4)]
    told = [f for f in examine({"train": table}, columns) if f.code == "conflicting-labels"]
    assert [f.count for f in told] == [1] * conflicts


def test_near_copies_are_all_those_that_brute_force_finds() -> None:
    chance = random.Random(1)
    texts = [" ".join(chance.choices(WORDS, k=12)) for _ in range(150)]
    texts += [text.replace("e", "é", chance.randrange(3)) for text in texts[:80]]
    texts = list(dict.fromkeys([*texts, "", "ab", "abc", "好", "好的"]))
    true = {j for j, b in enumerate(texts) if any(overlap(a, b) >= 0.8 for a in texts[:j])}
    found = near_copies(texts)
    assert {j for _, j in found} == true and len(true) > 20
    assert all(overlap(texts[i], texts[j]) >= 0.8 and i < j for i, j in found)
