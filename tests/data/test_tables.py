import csv
import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason.data.columns import Columns, find_columns
from mason.data.encodings import decode
from mason.data.tables import Table, read, read_splits
from mason.errors import DataError

RECORDS = [("a fine film, indeed", "pos"), ("dull", "neg"), ('say "no"\nand leave', "neg")]
CHINESE = "评论,情感\n这本书的内容很好看,正面\n服务态度太差了,负面\n"
SAMPLES = {
    "gb18030": CHINESE,
    "gbk": CHINESE,
    "big5": "評論,情感\n這部電影非常好看我很喜歡,正面\n服務態度很差不會再來了,負面\n",
    "cp932": "text,label\nこれはとても良い映画でした,良い\n最高の一日になりました,良い\n",
    "euc_jp": "text,label\nこれはとても良い映画でした,良い\n最高の一日になりました,良い\n",
    "cp949": "text,label\n이 영화는 정말 재미있었어요,긍정\n배송이 너무 늦어요,부정\n",
    "cp1252": "text,label\nLe café est déjà fermé,neg\nit’s “great” – naïve señor,pos\n",
    "cp1251": "text,label\nЭто был отличный фильм,да\nМне не понравилось,нет\n",
}


def _read(folder: Path, name: str, data: str | bytes) -> Table:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path)


def _csv(records: list[tuple[str, str]], **options: str) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **options).writerows([("text", "label"), *records])
    return buffer.getvalue()


def test_one_content_reads_alike_from_every_format(tmp_path: Path) -> None:
    frame = pl.DataFrame(RECORDS, schema=["text", "label"], orient="row")
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    objects = [{"text": t, "label": y} for t, y in RECORDS]
    contents: dict[str, str | bytes] = {
        "a.csv": _csv(RECORDS),
        "b.csv": _csv(RECORDS, delimiter=";"),
        "c.tsv": _csv(RECORDS, delimiter="\t"),
        "d.csv": _csv(RECORDS, delimiter="|", lineterminator="\n"),
        "e.jsonl": "\n".join(map(json.dumps, objects)),
        "f.json": json.dumps(objects, indent=2),
        "g.json": json.dumps({"version": 1, "data": objects}),
        "h.json": "\n".join(map(json.dumps, objects)),
        "i.parquet": buffer.getvalue(),
        "j.csv.gz": gzip.compress(_csv(RECORDS).encode()),
        "k.csv": b"\xef\xbb\xbf" + _csv(RECORDS).encode(),
        "l.csv": _csv(RECORDS).encode("utf-16"),
        "m.csv": _csv(RECORDS).encode("utf-16-le"),
    }
    for name, data in contents.items():
        table = _read(tmp_path, name, data)
        assert table.frame.rows() == RECORDS, name
        assert table.frame.columns == ["text", "label"], name


def test_rows_are_the_lines_on_which_records_begin(tmp_path: Path) -> None:
    data = (
        'text,label\r\n"two\r\nlines",pos\r\n\r\nplain,neg\r\n"a ""b""\n\n\nc",pos\r\nlast,neg\r\n'
    )
    table = _read(tmp_path, "a.csv", data)
    assert list(table.rows) == [2, 5, 6, 10]
    assert list(_read(tmp_path, "b.jsonl", '{"a": 1}\n\n{"a": 2}\n').rows) == [1, 3]
    assert list(_read(tmp_path, "c.txt", "one\n\n\u2028two\r\nthree").rows) == [1, 3, 4]
    assert _read(tmp_path, "c.txt", "one\n\ntwo").texts("text") == ["one", "two"]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
            st.sampled_from(["pos", "neg"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_survives_csv_and_jsonl(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    # Quoted throughout, so that no space is taken for the space after a separator.
    data = _csv(records, quoting=csv.QUOTE_ALL)  # type: ignore[arg-type]
    assert _read(folder, "a.csv", data).frame.rows() == records
    lines = "\n".join(json.dumps({"text": t, "label": y}, ensure_ascii=False) for t, y in records)
    assert _read(folder, "a.jsonl", lines).frame.rows() == records


@pytest.mark.parametrize("encoding", SAMPLES)
def test_legacy_encodings_are_recognised_and_said(encoding: str, tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", SAMPLES[encoding].encode(encoding))
    lines = SAMPLES[encoding].splitlines()[1:]
    assert [",".join(row) for row in table.frame.rows()] == lines
    assert [note.code for note in table.notes] == ["guessed-encoding"]
    assert str(table.encoding) in table.notes[0].reason


def test_short_chinese_in_gbk_is_recognised() -> None:
    texts = [
        "好的",
        "很不错",
        "质量太差",
        "不喜欢",
        "还可以",
        "物流很快",
        "退货了",
        "这本书值得一看",
    ]
    for text in texts:
        found = decode(f"text,label\n{text},正面\n".encode("gbk"), Path("a.csv"))
        assert found.text == f"text,label\n{text},正面\n" and found.guessed, text


def test_utf8_needs_no_guess(tmp_path: Path) -> None:
    assert _read(tmp_path, "a.csv", CHINESE).notes == ()


def test_scalars_become_strings_and_structure_stays(tmp_path: Path) -> None:
    lines = [
        {"text": "a", "label": 1, "ok": True, "score": 0.5, "tags": ["x", "y"], "who": {"id": 3}},
        {"text": "", "label": 0, "ok": None, "score": 2, "tags": [], "who": {"name": "b"}},
    ]
    frame = _read(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines))).frame
    assert frame["label"].to_list() == ["1", "0"] and frame["ok"].to_list() == ["true", None]
    assert frame["score"].to_list() == ["0.5", "2"] and frame["text"].to_list() == ["a", None]
    assert frame["tags"].to_list() == [["x", "y"], []]
    assert frame["who"].to_list() == [{"id": 3, "name": None}, {"id": None, "name": "b"}]


def test_class_numbers_of_hub_parquet_become_names(tmp_path: Path) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["World", "Sports"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path = tmp_path / "train.parquet"
    frame = pl.DataFrame({"text": ["a", "b", "c"], "label": [1, 0, -1], "year": [1999, 2000, 2001]})
    frame.write_parquet(path, metadata=metadata)
    table = read(path)
    assert table.texts("label") == ["Sports", "World", "-1"]
    assert table.texts("year") == ["1999", "2000", "2001"]


def test_literal_quotes_in_tsv(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.tsv", 'text\tlabel\n"so it goes\tpos\n12" screen\tneg\n')
    assert table.texts("text") == ['"so it goes', '12" screen']
    assert [note.code for note in table.notes] == ["literal-quotes"]
    quoted = _read(tmp_path, "b.tsv", 'text\tlabel\n"a\tb"\tpos\n"say ""no"""\tneg\n')
    assert quoted.texts("text") == ["a\tb", 'say "no"']


def test_the_separator_is_said_where_it_is_not_the_usual(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", "text;label\nwell, well;pos\n")
    assert table.frame.rows() == [("well, well", "pos")]
    assert table.notes[0].reason == "The columns are separated by a semicolon."


def test_spaces_after_separators_and_spare_fields(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", 'text, label,\n"a, b", pos,\nc, neg,,\n,,\n')
    assert table.frame.rows() == [("a, b", "pos"), ("c", "neg")]
    assert [(n.code, n.row, n.count) for n in table.notes] == [("ragged-rows", 2, 2)]


def test_columns_name_those_of_a_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("pos,I liked it a lot.\nneg,I did not.\n")
    table = read(path, columns=["label", "text"])
    assert table.texts("text") == ["I liked it a lot.", "I did not."] and list(table.rows) == [1, 2]


def test_the_nameless_column_of_row_numbers(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", ",text,label\n0,a,pos\n1,b,neg\n")
    assert table.frame.columns == ["column_1", "text", "label"]


def test_splits_of_a_folder(tmp_path: Path) -> None:
    for name in ("test.csv", "dev.csv", "train.csv", "notes.csv", "README.md"):
        (tmp_path / name).write_text(f"text,label\n{name},x\n")
    splits = read_splits(tmp_path)
    assert list(splits) == ["train", "validation", "test"]
    assert splits["validation"].texts("text") == ["dev.csv"]
    assert list(read_splits(tmp_path / "test.csv")) == ["all"]


@pytest.mark.parametrize(
    ("header", "rows", "wanted"),
    [
        ("text,label", "a,b", Columns("text", label="label")),
        ("ID,Review Text,Rating", "1,a,b", Columns("Review Text", label="Rating")),
        ("评论,情感", "a,b", Columns("评论", label="情感")),
        ("标题,内容,标签", "a,b,c", Columns("内容", label="标签")),
        ("title,text,label,label_text", "a,b,c,d", Columns("text", label="label")),
        ("premise,hypothesis,label", "a,b,c", Columns("premise", "hypothesis", "label")),
        ("question,sentence,label", "a,b,c", Columns("question", "sentence", "label")),
        ("idx,sentence1,sentence2,label", "1,a,b,c", Columns("sentence1", "sentence2", "label")),
        # GLUE's own files: MNLI names the kind of text too, MRPC has names of its own.
        (
            "index,promptID,genre,sentence1_parse,sentence1,sentence2,label1,gold_label",
            "1,2,fiction,(a),a,b,neutral,neutral",
            Columns("sentence1", "sentence2", "gold_label"),
        ),
        (
            "Quality,#1 ID,#2 ID,#1 String,#2 String",
            "\n".join(f"{i % 2},{i},{i + 9},it is {i},they are {i}" for i in range(9)),
            Columns("#1 String", "#2 String", "Quality"),
        ),
        ("key,words", "\n".join(f"{c},it is a {i}" for i, c in enumerate("xyxyxy")), None),
    ],
)
def test_columns_are_found(header: str, rows: str, wanted: Columns | None, tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", f"{header}\n{rows}\n")
    assert find_columns(table) == (wanted or Columns("words", label="key"))


def test_a_number_and_a_genre_are_asked_about_not_guessed(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", "genre,sentence1,sentence2,score\nnews,a,b,4.2\n")
    with pytest.raises(DataError, match="could be any of genre, score"):
        find_columns(table)
    alone = _read(tmp_path, "b.csv", "genre,text\nnews,a\n")
    assert find_columns(alone) == Columns("text", label="genre")


def test_columns_asked_for_are_taken(tmp_path: Path) -> None:
    table = _read(tmp_path, "a.csv", "review,comment,stars,who\na,b,c,d\n")
    found = find_columns(table, text="comment", label="who", group="stars")
    assert found == Columns("comment", label="who", group="stars")
    lines = _read(tmp_path, "b.txt", "one\ntwo\n")
    assert find_columns(lines, need_label=False) == Columns("text")
