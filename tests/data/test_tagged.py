"""CoNLL files and other tables of tagged words; mistakes name file and line."""

import json
from pathlib import Path

import polars as pl
import pytest

from mason.data.tables import read
from mason.data.tagged import Sentence, find_tagged_columns, sentences_of
from mason.errors import DataError

CONLL = """-DOCSTART- -X- O

EU NNP B-ORG
rejects VBZ O

Peter NNP B-PER
Blackburn NNP I-PER
"""
WANTED = [
    Sentence(["EU", "rejects"], ["B-ORG", "O"]),
    Sentence(["Peter", "Blackburn"], ["B-PER", "I-PER"]),
]


def sentences(file: Path, tags: str | None = None, **options: object) -> list[Sentence]:
    table = read(file, **options)  # type: ignore[arg-type]
    return sentences_of(table, find_tagged_columns(table, tags=tags))


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_conll_with_spaces_or_tabs(tmp_path: Path, separator: str, ends: str) -> None:
    text = CONLL.replace(" ", separator).replace("\n", ends)
    file = write(tmp_path, "train.conll", text)
    assert sentences(file) == WANTED
    assert list(read(file).rows) == [3, 6], "the lines on which sentences begin"
    assert sentences(file, "column2")[0].tags == ["NNP", "VBZ"]
    assert sentences(file, "pos", columns=["tokens", "pos", "ner"])[1].tags == ["NNP", "NNP"]


def test_a_txt_can_be_conll(tmp_path: Path) -> None:
    assert sentences(write(tmp_path, "train.txt", CONLL), format="conll") == WANTED


def test_words_with_spaces_between_tabs(tmp_path: Path) -> None:
    file = write(tmp_path, "a.conll", "New York\tB-LOC\n#\tO\n# a comment\nis\tO\n")
    assert sentences(file) == [Sentence(["New York", "#", "is"], ["B-LOC", "O", "O"])]


def test_conll_u(tmp_path: Path) -> None:
    rows = ["# sent_id = 1", "1-2\tvámonos\t" + "_\t" * 7 + "_"]
    for number, word, tag in ((1, "vamos", "VERB"), (2, "nos", "PRON")):
        rows.append(f"{number}\t{word}\tlemma\t{tag}\tx\t_\t0\troot\t_\t_")
    rows.append("2.1\tnada\t" + "_\t" * 7 + "_")
    found = sentences(write(tmp_path, "a.conllu", "\n".join(rows) + "\n"))
    assert found == [Sentence(["vamos", "nos"], ["VERB", "PRON"])]


def test_jsonl_parquet_and_csv(tmp_path: Path) -> None:
    lines = [json.dumps({"tokens": s.words, "ner_tags": s.tags}) for s in WANTED]
    assert sentences(write(tmp_path, "a.jsonl", "\n".join(lines))) == WANTED
    frame = pl.DataFrame({"tokens": [s.words for s in WANTED], "tags": [s.tags for s in WANTED]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert sentences(tmp_path / "a.parquet") == WANTED
    text = "words,tags\n" + "".join(
        f"{' '.join(s.words)},{' '.join(s.tags or [])}\n" for s in WANTED
    )
    assert sentences(write(tmp_path, "a.csv", text)) == WANTED


@pytest.mark.parametrize(
    ("printed", "tags"),
    [
        ("['B-ORG', 'O', \"it's\"]", ["B-ORG", "O", "it's"]),
        ("['B-ORG' 'O'\n 'O']", ["B-ORG", "O", "O"]),
        ('["B-ORG","O","\\ud83d\\ude00"]', ["B-ORG", "O", "😀"]),
        ("[3, 0, 12]", ["3", "0", "12"]),
        ("[3 0 12]", ["3", "0", "12"]),
    ],
    ids=["python", "numpy", "json", "numbers", "numbers of numpy"],
)
def test_lists_that_were_printed_into_a_csv(printed: str, tags: list[str], tmp_path: Path) -> None:
    frame = pl.DataFrame({"tokens": ["EU rejects [1]", "['EU', 'rejects', '!']"], "tags": printed})
    frame.write_csv(tmp_path / "a.csv")
    wanted = [["EU", "rejects", "[1]"], ["EU", "rejects", "!"]]
    assert sentences(tmp_path / "a.csv") == [Sentence(words, tags) for words in wanted]


@pytest.mark.parametrize("printed", ["['B-ORG', nan, 'O']", "['O' ... 'O']", "['O''O' 'O']"])
def test_a_printed_list_that_cannot_be_read_is_refused(printed: str, tmp_path: Path) -> None:
    pl.DataFrame({"tokens": ["a b c"], "tags": [printed]}).write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"a\.csv, row 2: tags looks like a printed list"):
        sentences(tmp_path / "a.csv")


def test_class_numbers_of_the_hub_get_their_names(tmp_path: Path) -> None:
    feature = {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}
    about = {"info": {"features": {"tokens": {}, "ner_tags": feature}}}
    frame = pl.DataFrame({"tokens": [["a", "Bob"]], "ner_tags": [[0, 1]]})
    frame.write_parquet(tmp_path / "a.parquet", metadata={"huggingface": json.dumps(about)})
    assert sentences(tmp_path / "a.parquet") == [Sentence(["a", "Bob"], ["O", "B-PER"])]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.conll", "EU B-ORG\nrejects\n", r"a\.conll, line 2: there are 1 filled columns"),
        ("a.conll", "EU\tB-ORG\nrejects\t\n", r"line 2: there are 1 filled columns"),
        ("a.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', "row 1: there are 2 words and 1 tags"),
        ("a.jsonl", '{"tokens": ["a", " "], "tags": ["O", "O"]}', "row 1: a word is missing"),
        ("a.jsonl", '{"tokens": [], "tags": []}', "row 1: a word is missing"),
        ("a.jsonl", '{"tokens": ["a"]}', "no column called tags"),
        ("a.jsonl", '{"tokens": ["a"], "pos": ["N"], "ner": ["O"]}', "pos, ner could all be meant"),
        ("a.jsonl", '{"tokens": [{"x": "a"}], "tags": ["O"]}', "not lists of words"),
    ],
)
def test_mistakes_name_their_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        sentences(write(tmp_path, name, text + "\n"))
