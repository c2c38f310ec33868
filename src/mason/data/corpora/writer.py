"""Writing a store of tokens, so that it can be killed and gone on with."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mason.data.corpora.sieve import Sieve, Sifted
from mason.errors import DataError
from mason.text.runs import Runs

Ints = npt.NDArray[np.int64]
FORMAT = "mason-tokens-3"
FACTS = "store.json"
SIZES = {"sentences": 8, "documents": 8, "held": 1, "origins": 2}
"""Bytes of an entry in each file but ``tokens``."""
_AT_ONCE = 1 << 18
LONGEST = 64
"""Tokens of a sentence that is not cut in two: code and text without full stops lose nothing."""


@dataclass(frozen=True)
class Counts:
    """What a store holds.

    Attributes:
        num_read: Documents read, those left out among them.
        num_copies: Documents left out because an equal one came before.
        num_bytes: UTF-8 bytes of the documents that were kept.
        num_near_copies: Documents left out because they are nearly like one before.
        num_poor: Documents left out because they break a rule of ``quality``.
        num_excluded: Documents left out because they hold a passage of an evaluation text.
    """

    num_read: int = 0
    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_copies: int = 0
    num_bytes: int = 0
    num_near_copies: int = 0
    num_poor: int = 0
    num_excluded: int = 0

    def plus(self, chunk: Sifted, num_sentences: int, num_tokens: int) -> "Counts":
        """With one more chunk, of so many sentences and tokens."""
        more = {
            "num_read": chunk.num_read,
            "num_documents": len(chunk.texts),
            "num_sentences": num_sentences,
            "num_tokens": num_tokens,
            "num_bytes": chunk.num_bytes,
            **chunk.dropped,
        }
        return Counts(**{name: num + more.get(name, 0) for name, num in vars(self).items()})


class Writer:
    """Appends chunks; what a killed writer left behind its last commit is cut off.

    Args:
        folder: Where to.
        counts: How far it has come.
        sieve: Told what was kept so far.
        every_seconds: How often what is written is made sure of.
    """

    def __init__(
        self,
        folder: Path,
        counts: Counts,
        sieve: Sieve,
        *,
        fingerprint: str,
        bits: int,
        every_seconds: float,
    ) -> None:
        self.folder, self.counts, self.fingerprint, self.bits = folder, counts, fingerprint, bits
        self.every_seconds, self.committed = every_seconds, time.monotonic()
        num = counts.num_documents
        sizes = {
            "tokens": counts.num_tokens * bits // 8,
            "sentences": counts.num_sentences * SIZES["sentences"],
            **{name: num * SIZES[name] for name in ("documents", "held", "origins")},
            "hashes": num * 8,
            "bands": num * 8 * sieve.num_bands,
        }
        self.streams = {name: (folder / name).open("ab") for name in sizes}
        for name, size in sizes.items():
            self.streams[name].truncate(size)
        none = np.empty(0, np.uint64)
        for keys in _keys(folder / "hashes"):
            sieve.remember(keys, none)
        for keys in _keys(folder / "bands"):
            sieve.remember(none, keys)

    def add(self, chunk: Sifted, encoded: Runs, held_share: float) -> None:
        """Write one chunk and, from time to time, say that it is there."""
        now = self.counts
        ends, pieces = _pieces(encoded.lengths)
        last = np.cumsum([len(text) for text in chunk.texts], dtype=np.int64)
        written: dict[str, npt.NDArray[Any]] = {
            "tokens": encoded.ids.astype(f"<u{self.bits // 8}"),
            "sentences": (now.num_tokens + ends).astype("<i8"),
            "documents": (now.num_sentences + np.append(0, np.cumsum(pieces))[last]).astype("<i8"),
            "held": (chunk.digests >> np.uint64(32)) < held_share * 2**32,
            "origins": np.array(chunk.origins, dtype="<u2"),
            "hashes": chunk.digests.astype("<u8"),
            "bands": chunk.bands.astype("<u8"),
        }
        for name, array in written.items():
            self.streams[name].write(array.tobytes())
        self.counts = now.plus(chunk, len(ends), len(encoded.ids))
        if time.monotonic() - self.committed >= self.every_seconds:
            self._commit(finished=False)

    def finish(self) -> None:
        """Say that the corpus is whole."""
        if not self.counts.num_tokens:
            raise DataError("There is no text in the corpus; name files that hold some.")
        self._commit(finished=True)
        for stream in self.streams.values():
            stream.close()
        for name in ("hashes", "bands"):
            (self.folder / name).unlink(missing_ok=True)

    def _commit(self, *, finished: bool) -> None:
        for stream in self.streams.values():
            stream.flush()
            os.fsync(stream.fileno())
        facts = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "bits": self.bits,
            "finished": finished,
            "counts": vars(self.counts),
        }
        draft = self.folder / f".{FACTS}"
        with draft.open("w", encoding="utf-8") as text:
            json.dump(facts, text, indent=2)
            text.flush()
            os.fsync(text.fileno())
        draft.replace(self.folder / FACTS)
        self.committed = time.monotonic()


def _pieces(lengths: Ints) -> tuple[Ints, Ints]:
    """Where sentences end when the long ones are cut evenly, and the pieces of each."""
    pieces = np.maximum(1, -(-lengths // LONGEST))
    owners = np.repeat(np.arange(len(lengths)), pieces)
    places = np.arange(1, len(owners) + 1) - (np.cumsum(pieces) - pieces)[owners]
    starts = np.cumsum(lengths) - lengths
    return starts[owners] + places * lengths[owners] // pieces[owners], pieces


def _keys(file: Path) -> Iterator[npt.NDArray[np.uint64]]:
    """The keys of a file, a part at a time: taking all in at once takes ten times their room."""
    with file.open("rb") as stream:
        while len(part := np.fromfile(stream, "<u8", _AT_ONCE)):
            yield part.astype(np.uint64, copy=False)
