"""Token ids on disk, so that a text is tokenized once; they cannot go stale.

A cache file's name is the SHA-256 of everything that makes its tokens: the texts, and a
fingerprint of the tokenizer and how it is used. A file is a safetensors file, is written
under another name, flushed and renamed, and carries a checksum that is verified on opening.
"""

import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt

from mason.language import say

VERSION = 1
"""Of the layout of cache files; part of their key."""

_CHUNK_TEXTS = 10_000
_HASHED_BYTES = 1 << 24
_LEFTOVER_SECONDS = 24 * 3600

Ids = npt.NDArray[np.int32]
Text = TypeVar("Text", str, tuple[str, str])

_log = logging.getLogger(__name__)


def fingerprint(
    tokenizer: str,
    *,
    max_length: int | None,
    template: str | None = None,
    pairs: bool = False,
    special_tokens: bool = True,
) -> str:
    """One string for everything but the texts that changes tokens.

    Args:
        tokenizer: the tokenizer's own fingerprint, such as the hash of its file.
        max_length: tokens after which a text is cut; None for never.
        template: the chat or prompt template, if there is one.
        pairs: whether two texts are joined.
        special_tokens: whether begin, end and separator tokens are added.
    """
    parts = [VERSION, tokenizer, max_length, template, pairs, special_tokens]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class TokenLists(Sequence[Ids]):
    """The token ids of each text, flat in ``tokens[T]`` between ``offsets[N + 1]``.

    Both may be a view of a file. ``lists[i]`` is a view as well, shape ``(length_i,)``.
    """

    def __init__(self, tokens: Ids, offsets: npt.NDArray[np.int64]) -> None:
        self.tokens = tokens
        self.offsets = offsets

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of tokens of each text, shape ``(num_texts,)``."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Ids: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Ids]: ...

    def __getitem__(self, index: int | slice) -> Ids | Sequence[Ids]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


class TokenCache:
    """A folder of cached token ids."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def get(
        self,
        texts: Sequence[Text],
        *,
        fingerprint: str,
        build: Callable[[Sequence[Text]], Sequence[Sequence[int]]],
    ) -> TokenLists:
        """The tokens of ``texts``: from the cache, or from ``build`` and then cached.

        A damaged cache file is built again. Where the folder cannot be written, the tokens
        are returned all the same and a warning is logged.

        Args:
            texts: texts, or pairs of texts.
            fingerprint: everything else that changes the tokens, see `fingerprint`.
            build: tokenizes some of the texts; called with a few thousand at a time.
        """
        path = self.folder / f"{_key(texts, fingerprint)}.safetensors"
        cached = _open(path)
        if cached is not None and len(cached) == len(texts):
            return cached
        built = _build(texts, build)
        try:
            self._write(path, built)
        except OSError as error:
            _log.warning(
                say(
                    "The tokens cannot be cached in {folder} ({reason}); they will be made again "
                    "next time.",
                    folder=self.folder,
                    reason=error.strerror or error,
                )
            )
            return built
        return _open(path) or built

    def _write(self, path: Path, lists: TokenLists) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        draft = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.writing")
        try:
            with draft.open("wb") as file:
                for part in _file_parts(lists):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Delete the drafts of writers that were killed; none takes a day to write."""
        for draft in self.folder.glob(".*.writing"):
            if abs(time.time() - draft.stat().st_mtime) > _LEFTOVER_SECONDS:
                draft.unlink(missing_ok=True)


def _key(texts: Sequence[Text], fingerprint: str) -> str:
    """SHA-256 of the texts and the fingerprint; each part's length keeps them apart."""
    digest = hashlib.sha256(f"{VERSION} {len(texts)} {len(fingerprint)} {fingerprint}".encode())
    for text in texts:
        for part in (text,) if isinstance(text, str) else text:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()


def _build(
    texts: Sequence[Text], build: Callable[[Sequence[Text]], Sequence[Sequence[int]]]
) -> TokenLists:
    lengths: list[int] = []
    chunks: list[Ids] = []
    for start in range(0, len(texts), _CHUNK_TEXTS):
        lists = build(texts[start : start + _CHUNK_TEXTS])
        lengths += map(len, lists)
        chunks.append(np.array([i for ids in lists for i in ids], dtype=np.int32))
    assert len(lengths) == len(texts), (len(lengths), len(texts))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return TokenLists(np.concatenate([np.empty(0, np.int32), *chunks]), offsets)


def _file_parts(lists: TokenLists) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file: length of the header, header, offsets, tokens."""
    offsets, tokens = lists.offsets.astype("<i8"), lists.tokens.astype("<i4")
    end = offsets.nbytes + tokens.nbytes
    header = {
        "__metadata__": {"version": str(VERSION), "sha256": _checksum(offsets, tokens)},
        "offsets": _entry("I64", offsets, 0, offsets.nbytes),
        "tokens": _entry("I32", tokens, offsets.nbytes, end),
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    yield len(text).to_bytes(8, "little")
    yield text
    yield offsets.data
    yield tokens.data


def _entry(dtype: str, array: np.ndarray, start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, end]}


def _open(path: Path) -> TokenLists | None:
    """Map a cache file; None if it is not there, is cut off, or was changed."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, 10_000)))
        num_offsets, num_tokens = header["offsets"]["shape"][0], header["tokens"]["shape"][0]
        start = 8 + length
        if path.stat().st_size != start + 8 * num_offsets + 4 * num_tokens:
            return None
        offsets = np.memmap(path, "<i8", "r", start, (num_offsets,))
        tokens: Ids = np.empty(0, np.int32)  # an empty array cannot be mapped
        if num_tokens:
            tokens = np.memmap(path, "<i4", "r", start + 8 * num_offsets, (num_tokens,))
        if header["__metadata__"]["sha256"] != _checksum(offsets, tokens):
            return None
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return TokenLists(tokens, offsets)


def _checksum(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        data = array.data.cast("B") if len(array) else b""
        for start in range(0, len(data), _HASHED_BYTES):
            digest.update(data[start : start + _HASHED_BYTES])
    return digest.hexdigest()
