"""Corpora: what their files hold as running text, document by document."""

import csv
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from mason import catalog
from mason.catalog.datasets.brown import running_text
from mason.catalog.datasets.peoples_daily import articles
from mason.catalog.sword import chapters
from mason.errors import SourceError

csv.field_size_limit(1 << 24)

ENTRIES = [
    ["", '<div sID="g1" type="book"/><title>Preface</title>'],
    [
        '<chapter n="1" osisID="Gen.1" sID="Gen.1"/>',
        'In the <w lemma="x">beginning</w><note>1:1 <b>so</b></note>, God<note>El</note>made &amp;',
        '<div sID="g2" type="x-p"/>saw “it”.',
        '<lg sID="g3"/><l sID="g4"/>A line<l eID="g4"/><chapter eID="Gen.1"/>',
    ],
    [
        "<title>A heading of no chapter</title>",
        '<div sID="g5" type="x-p"/><chapter n="2" osisID="Gen.2" sID="Gen.2"/>',
        "<title>A Psalm.</title>Über <q>all</q>.",
    ],
]


def write_module(folder: Path, testament: str = "ot") -> None:
    """A module of one zlib block for each list of entries, and an empty block at first."""
    places, verses, packed = [(0, 0, 0)], [(0, 0, 0)], b""
    for number, entries in enumerate(ENTRIES, 1):
        texts = [entry.encode() for entry in entries]
        start = 0
        for text in texts:
            verses += [(number, start, len(text))] * 2  # a verse that shares its place
            start += len(text)
        block = zlib.compress(b"".join(texts))
        places.append((len(packed), len(block), start))
        packed += block
    (folder / f"{testament}.bzz").write_bytes(packed)
    (folder / f"{testament}.bzs").write_bytes(b"".join(struct.pack("<III", *p) for p in places))
    (folder / f"{testament}.bzv").write_bytes(b"".join(struct.pack("<IIH", *v) for v in verses))


def test_a_module_gives_its_chapters(tmp_path: Path) -> None:
    write_module(tmp_path)
    assert list(chapters(tmp_path)) == [
        ("Gen.1", "In the beginning, God made &\nsaw “it”.\nA line"),
        ("Gen.2", "A Psalm.\nÜber all."),
    ]


@pytest.mark.parametrize("ending", ["bzz", "bzs", "bzv"])
def test_a_damaged_module_is_one_sentence(ending: str, tmp_path: Path) -> None:
    write_module(tmp_path)
    file = tmp_path / f"ot.{ending}"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(SourceError, match="no SWORD module"):
        list(chapters(tmp_path))


def test_no_module_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no SWORD module"):
        list(chapters(tmp_path))


def test_brown_reads_as_text() -> None:
    tagged = (
        "\n\n\t``/`` Stop/vb !/. !/. ''/'' he/pps said/vbd ;/. ;/.\n"
        "And/cc (/( so/rb )/) on/rp ./.\n"
        "\n\n\t1/2/cd ./.\n"
    )
    assert running_text(tagged) == "“Stop!” he said; And (so) on.\n1/2."


def test_articles_begin_at_a_headline_after_text() -> None:
    lines = ["大标题（附图片１张）", "副标题", "第一段。", "第二段。（完）", "又一篇", "正文。"]
    assert list(articles(lines)) == ["\n".join(lines[:4]), "\n".join(lines[4:])]
    assert list(articles([])) == []


def rows_of(name: str, folder: Path) -> list[dict[str, str]]:
    with catalog.find(name).build(folder).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_brown(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of("brown", tmp_path)
    assert len(rows) == 500 and len({row["genre"] for row in rows}) == 15
    assert rows[0]["text"].startswith(
        "The Fulton County Grand Jury said Friday an investigation of Atlanta's recent primary "
        "election produced “no evidence” that any irregularities took place.\n"
    )
    assert 990_000 < sum(len(row["text"].split()) for row in rows) < 1_030_000


@pytest.mark.slow
def test_peoples_daily(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of("peoples-daily", tmp_path)
    assert sum(len(row["text"].split("\n")) for row in rows) == 19_484  # a line of the file each
    assert rows[0]["text"].startswith("迈向充满希望的新世纪——一九九八年新年讲话")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's apt")
def test_english_bible(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of("english-bible", tmp_path)
    first = rows[0]
    assert (first["book"], first["chapter"]) == ("Gen", "Gen.1")
    assert first["text"].startswith("In the beginning, God created the heavens and the earth. The")
    assert sum(row["book"] == "Ps" for row in rows) == 150
    assert not any(mark in row["text"] for row in rows for mark in "<>")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt")
def test_debian_descriptions(shared_cache: Path, tmp_path: Path) -> None:
    rows = rows_of("debian-descriptions", tmp_path)
    assert len({row["text"] for row in rows}) == len(rows) > 40_000
    assert sum("\n" in row["text"] for row in rows) > 0.9 * len(rows)
