# ruff: noqa: E501 - a sentence stays on one line, as it is shown
"""Files with one fault each, and the sentence that a user gets for it.

``{file}`` stands for the path. Files that can be read but not used are asked for a text and
a label, as training does.
"""

import gzip
import io
from typing import NamedTuple

import polars as pl


class Faulty(NamedTuple):
    """A file's name, its bytes (None for a folder), and the sentence."""

    name: str
    data: bytes | None
    sentence: str


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


_GOOD = b"text,label\nfine film,pos\nbad film,neg\n"
_DEEP = b'{"text": "a", "more": ' + b"[" * 70 + b"]" * 70 + b"}\n"
_LONG_LINE = b'text,label\nok,pos\n"' + b"x" * 10_000_001 + b'",neg\n'
_PARQUET = _parquet(pl.DataFrame({"text": ["fine film", "bad film"], "label": [1, 0]}))

FAULTY = [
    Faulty("empty.csv", b"", "{file} is empty; give a file with at least one row."),
    Faulty("blank.jsonl", b"\n \n\n", "{file} is empty; give a file with at least one row."),
    Faulty("mark_only.csv", b"\xef\xbb\xbf", "{file} is empty; give a file with at least one row."),
    Faulty(
        "header_only.csv",
        b"text,label\n",
        "{file} has only a header; give a file with at least one row.",
    ),
    Faulty("no_records.json", b"[]", "{file} holds no rows; give a file with at least one row."),
    Faulty("folder.csv", None, "{file} is a folder; give one file in it."),
    Faulty("data.xlsx", b"PK\x03\x04", "{file} is a workbook; save its sheet as CSV in UTF-8."),
    Faulty(
        "ragged.csv",
        b"text,label\nfine,pos\nwell, not bad,neg\nlast\n",
        "{file}, row 3: the number of fields is 3, in the header 2 (rows like this: 2); quote a text that holds the separator, or fill in what is missing.",
    ),
    Faulty(
        "short.tsv",
        b"text\tlabel\nfine\tpos\nno label here\n",
        "{file}, row 3: the number of fields is 1, in the header 2 (rows like this: 1); quote a text that holds the separator, or fill in what is missing.",
    ),
    Faulty(
        "open_quote.csv",
        b'text,label\n"two\nlines",pos\n"never closed,neg\n',
        "{file}, row 4: a quotation mark is not closed, or not doubled inside a quoted text; write quotes inside a text twice.",
    ),
    Faulty(
        "bare_quote.csv",
        b'text,label\n"so "good" it is",pos\n',
        "{file}, row 2: a quotation mark is not closed, or not doubled inside a quoted text; write quotes inside a text twice.",
    ),
    Faulty(
        "nul.csv",
        b"text,label\nfi\0ne,pos\n",
        "{file}, line 2: there is a NUL character; the file is damaged, or is not text.",
    ),
    Faulty(
        "huge_field.csv",
        _LONG_LINE,
        "{file}, row 3: a field has more than 10000000 characters; close the quotation mark that is left open, or cut the text.",
    ),
    Faulty(
        "no_header.csv",
        b"I liked it a lot.,pos\nI did not.,neg\n",
        "{file} seems to have no header: 'I liked it a lot.' in its first line is no name of a column; add a first line such as text,label, or name them with --columns.",
    ),
    Faulty(
        "labels_first.csv",
        b"pos,fine film\nneg,bad film\npos,good\npos,great\n",
        "{file} seems to have no header: 'pos' in its first line is no name of a column; add a first line such as text,label, or name them with --columns.",
    ),
    Faulty(
        "twice.csv",
        b"text,label,text\na,b,c\n",
        "{file} has two columns named text; rename one of them.",
    ),
    Faulty(
        "header_again.csv",
        _GOOD + _GOOD,
        "{file}, row 4: the header stands here again; delete that line.",
    ),
    Faulty(
        "damaged_utf8.csv",
        "text,label\n好看极了的一部电影,正面\n".encode() + b"\xe5\xa5,x\n",
        "{file}, line 3: byte 46 is damaged in a file that is otherwise UTF-8; repair or delete that character.",
    ),
    Faulty(
        "no_encoding.csv",
        b"text,label\n\x81\x8d\x8f\x90\x9d\xff\xfe\x81\x20,pos\n",
        "{file}, line 2: byte 11 is not UTF-8, and no other encoding fits; save the file as UTF-8, or name its encoding.",
    ),
    Faulty(
        "half_utf16.csv",
        "text,label\n好,x\n".encode("utf-16")[:-1],
        "{file}, line 2: byte 30 cannot be read as utf-16; save the file as UTF-8, or name its true encoding.",
    ),
    Faulty(
        "bad_line.jsonl",
        b'{"text": "a", "label": "x"}\n{"text": "b", "label": }\n',
        "{file}, line 2: this is not JSON (Expecting value, character 24); correct the line or delete it.",
    ),
    Faulty(
        "not_a_record.jsonl",
        b'{"text": "a", "label": "x"}\n["b", "y"]\n',
        '{file}, row 2: this is a list, not a record; write {"text": ...}.',
    ),
    Faulty(
        "key_twice.jsonl",
        b'{"text": "a", "label": "x", "text": "b"}\n',
        "{file}, row 1: the key text stands twice in one record; delete one of the two.",
    ),
    Faulty(
        "nan.jsonl",
        b'{"text": "a", "label": "x"}\n\n{"text": "b", "label": NaN}\n',
        "{file}, row 3: NaN is not a JSON number; write null, or delete the row.",
    ),
    Faulty(
        "deep.jsonl",
        b'{"text": "a"}\n' + _DEEP,
        "{file}, row 2: the record nests more than 64 levels deep; flatten it.",
    ),
    Faulty(
        "very_deep.jsonl",
        b'{"text": ' + b"[" * 100_000 + b"\n",
        "{file}, row 1: the record nests more than 64 levels deep; flatten it.",
    ),
    Faulty(
        "surrogate.jsonl",
        b'{"text": "\\ud83d", "label": "x"}\n',
        "{file}, row 1: there is half of a character, such as \\ud83d alone; write the character itself.",
    ),
    Faulty(
        "surrogate_in_key.json",
        b'[{"text": "\\ud83d\\ude00"},\n{"te\\ude00xt": "a"}]',
        "{file}, row 2: there is half of a character, such as \\ud83d alone; write the character itself.",
    ),
    Faulty(
        "mixed_types.jsonl",
        b'{"text": "a"}\n{"text": "b"}\n{"text": ["c"]}\n',
        "{file}, row 3: text is a list, unlike in other rows; give every row the same kind of value.",
    ),
    Faulty(
        "key_twice.json",
        b'[{"text": "a"}, {"text": "NaN, twice"},\n\n{"text": "b", "text": "c"}]',
        "{file}, row 3: the key text stands twice in one record; delete one of the two.",
    ),
    Faulty(
        "long_number.jsonl",
        b'{"text": "a", "id": ' + b"9" * 5000 + b"}\n",
        "{file}, row 1: a number has thousands of digits; shorten it.",
    ),
    Faulty(
        "cut_off.json",
        b'[{"text": "a", "label": "x"},\n {"text": "b"',
        "{file}, line 2: this is not JSON (Expecting ',' delimiter, character 14); correct the line or delete it.",
    ),
    Faulty(
        "one_object.json",
        b'{"text": {"0": "a", "1": "b"}}',
        "{file} is not a list of records; write [{...}, {...}], or one record a line.",
    ),
    Faulty(
        "nan.json",
        b'[{"text": "a", "label": 1},\n {"text": "b", "label": NaN}]',
        "{file}, row 2: NaN is not a JSON number; write null, or delete the row.",
    ),
    Faulty(
        "cut_off.parquet",
        _PARQUET[:-20],
        "{file} is cut off, damaged or no parquet file; fetch or write it again.",
    ),
    Faulty(
        "damaged.parquet",
        _PARQUET[:30] + b"\xff\xff\xff\xff" + _PARQUET[34:],
        "{file} is cut off, damaged or no parquet file; fetch or write it again.",
    ),
    Faulty(
        "not.parquet",
        _GOOD,
        "{file} is cut off, damaged or no parquet file; fetch or write it again.",
    ),
    Faulty(
        "cut_off.csv.gz",
        gzip.compress(_GOOD)[:-9],
        "{file} is cut off, damaged or no gzip file; fetch or pack it again.",
    ),
    Faulty(
        "not.csv.gz",
        _GOOD,
        "{file} is cut off, damaged or no gzip file; fetch or pack it again.",
    ),
    Faulty(
        "bomb.txt.gz",
        gzip.compress(b" " * 100_000_001),
        "{file} unpacks to more than 100000000 bytes, far more than text does; unpack it yourself if you trust it.",
    ),
    Faulty(
        "lists.jsonl",
        b'{"text": ["a", "b"], "label": "x"}\n{"text": ["c"], "label": "y"}\n',
        "{file}: the column text holds lists or objects, not texts; name another one.",
    ),
    Faulty(
        "no_label.csv",
        b"text,id\nfine film,1\nbad film,2\ngood film,3\n",
        "{file} has no column that looks like a label among text, id; name it with --label COLUMN.",
    ),
    Faulty(
        "two_labels.csv",
        b"text,fine_label,coarse_label\na,b,c\n",
        "{file}: the label could be any of fine_label, coarse_label; name it with --label COLUMN.",
    ),
    Faulty(
        "two_texts.csv",
        b"review,comment,label\na,b,c\n",
        "{file}: the text could be any of review, comment; name it with --text COLUMN, and the second one of a pair with --pair COLUMN.",
    ),
    Faulty(
        "no_text.csv",
        b"a,b,label\n1,2,x\n3,4,y\n",
        "{file} has no column that looks like text among a, b, label; name it with --text COLUMN.",
    ),
]
