"""Corpora: files of every kind, sentences, and a store that a killed writer goes on with."""

import bz2
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mason.data.corpora.documents import documents, find_files
from mason.data.corpora.sentences import sentences
from mason.data.corpora.store import TokenStore, write_store
from mason.errors import DataError
from mason.text.runs import Runs


def test_files_of_every_kind_give_their_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.\nTwo.\n\n\nThree.\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "four"}\n\n"five"\n{"text": " "}\n')
    (tmp_path / "c.csv").write_text("text,label\nsix,x\nseven,y\n")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress("八。\n\n九。".encode("gb18030") * 20))
    (tmp_path / "e.txt.bz2").write_bytes(bz2.compress(b"ten"))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    files = find_files([str(tmp_path)])
    assert [f.name for f in files] == ["a.txt", "b.jsonl", "c.csv", "d.txt.gz", "e.txt.bz2"]
    found = list(documents(files))
    assert found[:6] == ["One.\nTwo.", "Three.", "four", "five", "six", "seven"]
    assert found[6] == "八。" and found[-1] == "ten"
    assert find_files([str(tmp_path / "*.txt")]) == [tmp_path / "a.txt"]


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"body": "y"}\n', "line 2"),
        ("a.jsonl", b"{]\n", "line 1"),
        ("a.txt", b"fine\n" * 300_000 + b"\xff\xfe\xfa\n", "line 300001"),
        ("a.png", b"x", "no file of text"),
    ],
)
def test_what_cannot_be_read_names_the_line(
    name: str, content: bytes, wanted: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=wanted):
        list(documents([tmp_path / name]))


def test_a_source_that_names_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no file"):
        find_files([str(tmp_path / "*.txt")])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One is here. Two! Is it? Yes.", ["One is here.", "Two!", "Is it?", "Yes."]),
        ("Mr. J. Smith paid 3.50 to i.e. nobody.", ["Mr. J. Smith paid 3.50 to i.e. nobody."]),
        ("今天下雨。你带伞了吗？带了！", ["今天下雨。", "你带伞了吗？", "带了！"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”然后走了。"]),
        ("a line\nanother", ["a line", "another"]),
        ("  \n ", []),
    ],
)  # fmt: skip
def test_sentences(text: str, wanted: list[str]) -> None:
    found = sentences(text)
    assert [sentence.strip() for sentence in found] == wanted
    assert "".join(found) == text.strip()


def _encode(texts: Sequence[str]) -> Runs:
    return Runs.of([[ord(c) % 251 for c in text] for text in texts])


def _corpus(num: int = 5000) -> Iterator[str]:
    for i in range(num):
        yield f"Document {i} has this. And it has that {i % 7}.\nA third."


def _bytes(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir())}


class _KilledError(BaseException):
    pass


def _killed_after(chunks: int, folder: Path) -> None:
    """Write a few chunks, then die in the middle of the next one."""
    seen = []

    def encode(texts: Sequence[str]) -> Runs:
        seen.append(texts)
        if len(seen) > chunks:
            with (folder / "tokens").open("ab") as stream:
                stream.write(b"half a chunk")  # what the disk had already taken
            raise _KilledError
        return _encode(texts)

    with pytest.raises(_KilledError):
        write_store(folder, _corpus(), encode, fingerprint="f", vocab_size=300)


def test_a_killed_writer_goes_on_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    whole = write_store(tmp_path / "whole", _corpus(), _encode, fingerprint="f", vocab_size=300)
    assert whole.counts.num_documents == 5000 and whole.counts.num_sentences == 15000
    for chunks in (0, 1, 2):
        folder = tmp_path / f"cut{chunks}"
        _killed_after(chunks, folder)
        with pytest.raises(DataError, match="no finished store"):
            TokenStore(folder)
        write_store(folder, _corpus(), _encode, fingerprint="f", vocab_size=300)
        assert _bytes(folder) == _bytes(tmp_path / "whole")


def test_copies_are_kept_once_across_chunks_and_kills(tmp_path: Path) -> None:
    def twice() -> Iterator[str]:
        yield from _corpus(2500)
        yield from _corpus(2500)

    store = write_store(tmp_path / "a", twice(), _encode, fingerprint="f", vocab_size=300)
    assert (store.counts.num_read, store.counts.num_copies) == (5000, 2500)
    assert store.counts.num_documents == 2500


def test_held_out_documents_do_not_move_when_the_corpus_grows(tmp_path: Path) -> None:
    def held(name: str, num: int) -> set[str]:
        store = write_store(
            tmp_path / name, _corpus(num), _encode, fingerprint=name, vocab_size=300, held_share=0.1
        )
        texts = store.passages(10**6, held=True)
        return {bytes(texts[i].astype("u1")).decode() for i in range(len(texts))}

    small, large = held("small", 1000), held("large", 2000)
    assert small < large and 50 < len(small) < 150


def test_passages_are_whole_sentences_of_one_document(tmp_path: Path) -> None:
    texts = ["aaa. B" + "b" * 7 + ". Ccc.", "Dddd.", "E" * 30 + ". F."]
    store = write_store(
        tmp_path / "s", texts, _encode, fingerprint="f", vocab_size=300, held_share=0.0
    )
    found = store.passages(15, held=False)
    read = ["".join(map(chr, found[i])) for i in range(len(found))]
    assert read == ["aaa. Bbbbbbbb.", " Ccc.", "Dddd.", "E" * 15, " F."]
    assert found.lengths.tolist() == [len(text) for text in read]
    assert found.owners.tolist() == [0, 0, 1, 2, 2]
    assert ["".join(map(chr, s)) for s in found.parted()[0]] == ["aaa.", " Bbbbbbbb."]


def test_a_text_without_full_stops_loses_nothing(tmp_path: Path) -> None:
    texts = ["x" * 200, "Short.", "y" * 65 + ". Z."]
    store = write_store(
        tmp_path / "s", texts, _encode, fingerprint="f", vocab_size=300, held_share=0.0
    )
    for longest in (64, 70, 1000):
        found = store.passages(longest, held=False)
        read = ["".join(map(chr, found[i])) for i in range(len(found))]
        assert "".join(read) == "".join(texts)
        assert max(map(len, read)) <= longest
    pieces = [len(s) for s in store.passages(1000, held=False).parted()[0]]
    assert pieces == [50] * 4 and store.counts.num_sentences == 4 + 1 + 2 + 1


def test_another_corpus_in_the_folder_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path / "s", ["one"], _encode, fingerprint="f", vocab_size=300)
    with pytest.raises(DataError, match="another corpus"):
        write_store(tmp_path / "s", ["two"], _encode, fingerprint="g", vocab_size=300)
    with pytest.raises(DataError, match="no text"):
        write_store(tmp_path / "empty", [], _encode, fingerprint="f", vocab_size=300)


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path / "s", ["one two."], _encode, fingerprint="f", vocab_size=300)
    with (tmp_path / "s" / "tokens").open("ab") as stream:
        stream.write(b"xx")
    with pytest.raises(DataError, match="damaged"):
        TokenStore(tmp_path / "s")


def test_large_vocabularies_take_four_bytes(tmp_path: Path) -> None:
    store = write_store(
        tmp_path / "s",
        ["x"],
        lambda texts: Runs.of([[70_000]]),
        fingerprint="f",
        vocab_size=100_000,
        held_share=0.0,
    )
    assert store.passages(5, held=False)[0].tolist() == [70_000]
    assert json.loads((tmp_path / "s" / "store.json").read_text())["bits"] == 32
