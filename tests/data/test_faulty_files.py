import json
import random
from importlib.resources import files
from pathlib import Path

import pytest

from mason import language
from mason.data.columns import find_columns
from mason.data.doctor import examine
from mason.data.tables import read, read_splits
from mason.errors import DataError
from tests.data.faulty_files import FAULTY, Faulty


def _write(folder: Path, faulty: Faulty) -> Path:
    path = folder / faulty.name
    if faulty.data is None:
        path.mkdir()
    else:
        path.write_bytes(faulty.data)
    return path


@pytest.mark.parametrize("faulty", FAULTY, ids=lambda f: f.name)
def test_each_fault_gets_its_sentence(faulty: Faulty, tmp_path: Path) -> None:
    path = _write(tmp_path, faulty)
    with pytest.raises(DataError) as caught:
        find_columns(read(path))
    assert str(caught.value) == faulty.sentence.replace("{file}", str(path))


@pytest.mark.parametrize("faulty", FAULTY, ids=lambda f: f.name)
def test_each_fault_has_a_chinese_sentence(faulty: Faulty, tmp_path: Path) -> None:
    path = _write(tmp_path, faulty)
    with pytest.raises(DataError) as caught:
        find_columns(read(path))
    chinese = json.loads(files("mason").joinpath("messages/zh/data.json").read_text("utf-8"))
    language.use("zh")
    assert str(caught.value) == chinese[caught.value.template].format(**caught.value.values)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^There is no file .*nowhere\.csv; check the path\.$"):
        read(tmp_path / "nowhere.csv")


def test_a_wrong_encoding_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\né,x\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"line 2: byte 11 cannot be read as ascii"):
        read(path, encoding="ascii")
    with pytest.raises(DataError, match=r"^base64 is no encoding for text"):
        read(path, encoding="base64")
    with pytest.raises(DataError, match=r"^klingon is no encoding for text"):
        read(path, encoding="klingon")


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("review,stars\nfine film,1\nbad film,2\n")
    table = read(path)
    with pytest.raises(DataError, match=r"a\.csv has no column reviews; did you mean review\?$"):
        find_columns(table, text="reviews")
    with pytest.raises(DataError, match=r"no column zzz; its columns are review, stars\.$"):
        find_columns(table, label="zzz")


def test_folders_without_splits_or_with_two_for_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file named train, validation or test"):
        read_splits(tmp_path)
    for name in ("dev.csv", "validation.csv"):
        (tmp_path / name).write_text("text,label\na,b\n")
    with pytest.raises(DataError, match=r"two files for validation, dev\.csv and validation\.csv"):
        read_splits(tmp_path)


DAMAGE = [b'"', b",", b"\n", b"{", b"[", b"null", b"NaN", b"1e999", b"\\ud800", b"\xef\xbb\xbf"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.txt"])
def test_damaged_files_are_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    whole = {
        "a.csv": b'text,label\n"a, b",pos\nfine film,neg\nanother one,pos\n',
        "a.tsv": b'text\tlabel\n"a\tx\nb\ty\n',
        "a.jsonl": b'{"text":"a b","label":"x"}\n{"text":"c","label":2}\n',
        "a.json": b'[{"text":"a"},{"text":"b","z":[1,{"k":2}]}]',
        "a.txt": "好的\n不\n".encode("gbk"),
    }[name]
    chance = random.Random(name)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 3)] = chance.choice(
                [*DAMAGE, b"", bytes([chance.randrange(256)])]
            )
        path = tmp_path / name
        path.write_bytes(data)
        try:
            table = read(path)
            columns = find_columns(table, need_label=False)
        except DataError as error:
            assert str(path) in str(error)
            continue
        examine({"all": table}, columns)
        assert len(table.rows) == len(table) > 0
