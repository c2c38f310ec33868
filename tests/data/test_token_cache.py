import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from mason.data.token_cache import TokenCache, TokenLists, fingerprint


class Builder:
    """Tokenizes to code points and counts the texts it was given."""

    def __init__(self) -> None:
        self.num_texts = 0

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        self.num_texts += len(texts)
        return [[ord(c) for c in text] for text in texts]


TEXTS = ["one", "", "二三", "four" * 5]


def _lists(lists: TokenLists) -> list[list[int]]:
    return [ids.tolist() for ids in lists]


def test_a_second_call_reads_the_file(tmp_path: Path) -> None:
    build = Builder()
    first = TokenCache(tmp_path).get(TEXTS, fingerprint="f", build=build)
    second = TokenCache(tmp_path).get(TEXTS, fingerprint="f", build=build)
    assert build.num_texts == len(TEXTS)
    assert _lists(first) == _lists(second) == [[ord(c) for c in text] for text in TEXTS]
    assert isinstance(second.tokens, np.memmap) and not second.tokens.flags.writeable
    assert second.lengths.tolist() == [3, 0, 2, 20]
    assert second[-1].tolist() == first[3].tolist() and len(second[1:3]) == 2
    with pytest.raises(IndexError):
        second[4]


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["one", "", "二三", "four" * 5], "g"),
        (["one", "", "二三"], "f"),
        (["on", "e", "二三", "four" * 5], "f"),
        (["", "one", "二三", "four" * 5], "f"),
        (["one", "", "二三", "four" * 5, ""], "f"),
    ],
)
def test_anything_that_differs_is_built_anew(texts: list[str], name: str, tmp_path: Path) -> None:
    build = Builder()
    TokenCache(tmp_path).get(TEXTS, fingerprint="f", build=build)
    TokenCache(tmp_path).get(texts, fingerprint=name, build=build)
    assert build.num_texts == len(TEXTS) + len(texts)


def test_the_fingerprint_covers_all_settings() -> None:
    base = {"max_length": 128, "template": None, "pairs": False, "special_tokens": True}
    changes = {"max_length": 64, "template": "{text}", "pairs": True, "special_tokens": False}
    prints = {fingerprint("t", **base), fingerprint("u", **base)}  # type: ignore[arg-type]
    prints |= {fingerprint("t", **(base | {k: v})) for k, v in changes.items()}  # type: ignore[arg-type]
    assert len(prints) == 6


def test_every_damaged_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    build, cache = Builder(), TokenCache(tmp_path)
    good = _lists(cache.get(TEXTS, fingerprint="f", build=build))
    path = next(tmp_path.glob("*.safetensors"))
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for place in [0, 3, 9, 40, *range(start, len(data), 7)]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        assert _lists(cache.get(TEXTS, fingerprint="f", build=build)) == good
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        assert _lists(cache.get(TEXTS, fingerprint="f", build=build)) == good
    assert path.read_bytes() == data


def test_a_cache_file_is_a_safetensors_file(tmp_path: Path) -> None:
    TokenCache(tmp_path).get(TEXTS, fingerprint="f", build=Builder())
    tensors = load_file(next(tmp_path.glob("*.safetensors")))
    assert tensors["offsets"].tolist() == [0, 3, 3, 5, 25]
    assert tensors["tokens"][:3].tolist() == [ord(c) for c in "one"]


def test_a_folder_that_cannot_be_written_costs_only_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    lists = TokenCache(tmp_path / "file").get(TEXTS, fingerprint="f", build=Builder())
    assert len(lists) == 4 and "cannot be cached" in caplog.text


def test_a_full_disk_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    TokenCache(tmp_path).get(TEXTS, fingerprint="f", build=Builder())
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=5))
def test_pairs_are_cached(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    cache = TokenCache(tmp_path_factory.mktemp("pairs"))

    def build(some: Sequence[tuple[str, str]]) -> list[list[int]]:
        return [[len(a), len(b)] for a, b in some]

    for _ in range(2):
        lists = cache.get(texts, fingerprint=json.dumps("p"), build=build)
        assert _lists(lists) == [[len(a), len(b)] for a, b in texts]
