"""A corpus as tokens on disk: cut once, mapped into memory, larger than memory if need be.

    tokens        every token id, one after another (16 bits where the vocabulary allows)
    sentences     where each sentence ends in ``tokens``
    documents     where each document ends in ``sentences``
    held          for each document whether it is held out
    store.json    what it was made from, and how far it has come

Written chunk by chunk: a killed writer goes on after the last whole chunk, and no document
is lost or doubled.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mason.data.sentences import sentences
from mason.errors import DataError

_FORMAT = "mason-tokens-1"
_FILES = ("tokens", "sentences", "documents", "held")
_CHUNK_DOCUMENTS = 2_000
_FACTS = "store.json"

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]
Ids = npt.NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """What a store holds.

    Attributes:
        num_read: Documents read, those left out among them.
        num_copies: Documents left out because an equal one came before.
        num_bytes: UTF-8 bytes of the documents that were kept.
    """

    num_read: int = 0
    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_copies: int = 0
    num_bytes: int = 0


def write_store(
    folder: Path,
    documents: Iterable[str],
    encode: Encode,
    *,
    fingerprint: str,
    vocab_size: int,
    held_share: float = 0.01,
    watch: Callable[[Counts], None] = lambda counts: None,
) -> "TokenStore":
    """Cut a corpus into tokens, or go on with cutting it.

    Equal documents are kept once, by a hash of their text. Which documents are held out is a
    function of their text as well, so that a corpus that grows keeps its held-out part.

    Args:
        folder: Where to; made if it is not there.
        documents: The corpus, in the same order if this goes on where it was cut off.
        encode: Ids of sentences, without marks.
        fingerprint: Of the tokenizer and the files: all that decides what is written.
        vocab_size: Decides how many bits a token takes.
        held_share: Share of the documents that is held out.
        watch: Called after each chunk.

    Raises:
        DataError: The folder holds a store of another corpus, or there is no text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = _read_facts(folder)
    if facts is not None and facts["fingerprint"] != fingerprint:
        raise DataError(
            "{folder} holds the tokens of another corpus or tokenizer; choose another folder, or "
            "delete it.",
            folder=folder,
        )
    counts = Counts(**facts["counts"]) if facts else Counts()
    if facts is None or not facts["finished"]:
        writer = _Writer(folder, counts, fingerprint, 16 if vocab_size <= 1 << 16 else 32)
        remaining = islice(iter(documents), counts.num_read, None)
        while chunk := list(islice(remaining, _CHUNK_DOCUMENTS)):
            writer.add(chunk, encode, held_share)
            watch(writer.counts)
        writer.finish()
    return TokenStore(folder)


class TokenStore:
    """A finished store, mapped: nothing is read until it is asked for.

    Raises:
        DataError: The folder holds no finished store, or its files do not fit each other.
    """

    def __init__(self, folder: Path) -> None:
        facts = _read_facts(folder)
        if facts is None or not facts["finished"]:
            raise DataError("{folder} holds no finished store of tokens; make it.", folder=folder)
        self.folder, self.counts = folder, Counts(**facts["counts"])
        self.fingerprint: str = facts["fingerprint"]
        self.tokens = _mapped(folder / "tokens", np.dtype(f"<u{facts['bits'] // 8}"))
        self.sentences = _mapped(folder / "sentences", np.dtype("<i8"))
        self.documents = _mapped(folder / "documents", np.dtype("<i8"))
        self.held = _mapped(folder / "held", np.dtype("?"))
        sizes = (len(self.tokens), len(self.sentences), len(self.documents), len(self.held))
        told = self.counts
        if sizes != (told.num_tokens, told.num_sentences, told.num_documents, told.num_documents):
            raise DataError(
                "{folder} is damaged: its files are not as long as it says; delete it and make it "
                "again.",
                folder=folder,
            )

    def passages(self, max_tokens: int, *, held: bool) -> "Stretches":
        """Stretches of whole sentences of one document, as long as ``max_tokens`` allows."""
        starts: list[int] = []
        ends: list[int] = []
        owners: list[int] = []
        first = 0
        for document, last in enumerate(self.documents.tolist()):
            if bool(self.held[document]) == held:
                for start, end in self._stretches(first, last, max_tokens):
                    starts.append(start)
                    ends.append(end)
                    owners.append(document)
            first = last
        return Stretches(self, np.array([starts, ends], np.int64).T, np.array(owners), max_tokens)

    def _stretches(self, first: int, last: int, max_tokens: int) -> Iterator[tuple[int, int]]:
        start = first
        begin = int(self.sentences[first - 1]) if first else 0
        for i in range(first, last):
            if i > start and int(self.sentences[i]) - begin > max_tokens:
                yield start, i
                start, begin = i, int(self.sentences[i - 1])
        if last > start:
            yield start, last


class Stretches(Sequence[Ids]):
    """Runs of sentences by number, as ids; cut at ``max_tokens``.

    Attributes:
        owners: The document of each.
    """

    def __init__(
        self, store: TokenStore, bounds: Ids, owners: npt.NDArray[np.int64], max_tokens: int
    ) -> None:
        self.store, self.bounds, self.owners, self.max_tokens = store, bounds, owners, max_tokens

    def __len__(self) -> int:
        return len(self.bounds)

    def __getitem__(self, index: Any) -> Any:
        first, last = self.bounds[index]
        start = int(self.store.sentences[first - 1]) if first else 0
        end = min(int(self.store.sentences[last - 1]), start + self.max_tokens)
        return self.store.tokens[start:end].astype(np.int64)

    @property
    def lengths(self) -> Ids:
        """Tokens of each stretch, after it is cut."""
        ends = np.concatenate([[0], self.store.sentences])
        lengths: Ids = ends[self.bounds[:, 1]] - ends[self.bounds[:, 0]]
        return np.minimum(lengths, self.max_tokens)

    def parted(self) -> "Parted":
        """The same stretches, as lists of their sentences."""
        return Parted(self)


class Parted(Sequence[list[Ids]]):
    """Stretches by number, each as its sentences."""

    def __init__(self, whole: Stretches) -> None:
        self.whole, self.lengths = whole, whole.lengths

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: Any) -> Any:
        store, (first, last) = self.whole.store, self.whole.bounds[index]
        start = int(store.sentences[first - 1]) if first else 0
        found = []
        for end in store.sentences[first:last].tolist():
            if end > start:
                found.append(store.tokens[start:end].astype(np.int64))
            start = end
        return found


class _Writer:
    """Appends chunks; what a killed writer left behind its last whole chunk is cut off."""

    def __init__(self, folder: Path, counts: Counts, fingerprint: str, bits: int) -> None:
        self.folder, self.counts, self.fingerprint, self.bits = folder, counts, fingerprint, bits
        sizes = {
            "tokens": counts.num_tokens * bits // 8,
            "sentences": counts.num_sentences * 8,
            "documents": counts.num_documents * 8,
            "held": counts.num_documents,
        }
        self.streams = {name: (folder / name).open("ab") for name in _FILES}
        for name, size in sizes.items():
            self.streams[name].truncate(size)
        self.seen = self._hashes()

    def add(self, chunk: list[str], encode: Encode, held_share: float) -> None:
        """Write one chunk, flush it, then say that it is there."""
        kept: list[list[str]] = []
        held: list[bool] = []
        num_bytes = 0
        copies = 0
        hashes: list[bytes] = []
        for text in chunk:
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            if digest in self.seen:
                copies += 1
                continue
            self.seen.add(digest)
            hashes.append(digest)
            kept.append(sentences(text))
            held.append(int.from_bytes(digest[:4], "big") < held_share * 2**32)
            num_bytes += len(text.encode("utf-8", "surrogatepass"))
        flat = [sentence for document in kept for sentence in document]
        encoded = encode(flat)
        lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
        ids = np.fromiter((i for e in encoded for i in e), dtype=f"<u{self.bits // 8}")
        per_document = np.array([len(document) for document in kept], dtype=np.int64)
        now = self.counts
        written = {
            "tokens": ids,
            "sentences": (now.num_tokens + np.cumsum(lengths)).astype("<i8"),
            "documents": (now.num_sentences + np.cumsum(per_document)).astype("<i8"),
            "held": np.array(held, dtype="?"),
        }
        for name, array in written.items():
            self.streams[name].write(array.tobytes())
        self._append_hashes(hashes)
        self.counts = Counts(
            now.num_read + len(chunk),
            now.num_documents + len(kept),
            now.num_sentences + len(flat),
            now.num_tokens + len(ids),
            now.num_copies + copies,
            now.num_bytes + num_bytes,
        )
        self._say(finished=False)

    def finish(self) -> None:
        """Say that the corpus is whole."""
        if not self.counts.num_tokens:
            raise DataError("There is no text in the corpus; name files that hold some.")
        self._say(finished=True)
        for stream in self.streams.values():
            stream.close()
        (self.folder / "hashes").unlink(missing_ok=True)

    def _say(self, *, finished: bool) -> None:
        for stream in self.streams.values():
            stream.flush()
            os.fsync(stream.fileno())
        facts = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "bits": self.bits,
            "finished": finished,
            "counts": vars(self.counts),
        }
        draft = self.folder / f".{_FACTS}"
        with draft.open("w", encoding="utf-8") as stream_:
            json.dump(facts, stream_, indent=2)
            stream_.flush()
            os.fsync(stream_.fileno())
        draft.replace(self.folder / _FACTS)

    def _hashes(self) -> set[bytes]:
        path = self.folder / "hashes"
        if not self.counts.num_read:
            path.unlink(missing_ok=True)
            return set()
        data = path.read_bytes()[: 8 * self.counts.num_documents]
        return {data[i : i + 8] for i in range(0, len(data), 8)}

    def _append_hashes(self, hashes: list[bytes]) -> None:
        with (self.folder / "hashes").open("ab") as stream:
            stream.truncate(8 * self.counts.num_documents)
            stream.write(b"".join(hashes))
            stream.flush()
            os.fsync(stream.fileno())


def _read_facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    good = isinstance(facts, dict) and facts.get("format") == _FORMAT
    return facts if good else None


def _mapped(path: Path, dtype: np.dtype[Any]) -> Ids:
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "r")
