"""A corpus as tokens on disk: cut once, mapped into memory, larger than memory if need be.

    tokens        every token id, one after another (16 bits where the vocabulary allows)
    sentences     where each sentence ends in ``tokens``
    documents     where each document ends in ``sentences``
    held          for each document whether it is held out
    origins       for each document the number of its source
    store.json    what it was made from, and how far it has come

Written chunk by chunk: a killed writer goes on after the last chunk that was made sure of, and
no document is lost or doubled. While one chunk is encoded, the next is read and sifted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mason.data.corpora.sieve import COPIES_ONLY, Cleaning, Document, Sieve, Sifted
from mason.data.corpora.writer import FACTS, FORMAT, Counts, Writer
from mason.errors import DataError
from mason.text.runs import Runs

_CHUNK_CHARACTERS = 1 << 20

Encode = Callable[[Sequence[str]], Runs]
Ids = npt.NDArray[Any]


def write_store(
    folder: Path,
    documents: Iterable[Document],
    encode: Encode,
    *,
    fingerprint: str,
    vocab_size: int,
    held_share: float = 0.01,
    cleaning: Cleaning = COPIES_ONLY,
    every_seconds: float = 2.0,
    chunk_documents: int = 2_000,
    watch: Callable[[Counts], None] = lambda counts: None,
) -> "TokenStore":
    """Cut a corpus into tokens, or go on with cutting it.

    Equal documents are kept once, by a hash of their text. Which documents are held out is a
    function of their text as well, so that a corpus that grows keeps its held-out part.

    Args:
        folder: Where to; made if it is not there.
        documents: The corpus, in the same order if this goes on where it was cut off; texts, or
            texts each with the number of its source.
        encode: Ids of sentences, without marks.
        fingerprint: Of all that decides what is written: tokenizer, files and cleaning.
        vocab_size: Decides how many bits a token takes.
        held_share: Share of the documents that is held out.
        cleaning: What is left out beside equal documents.
        every_seconds: How much work a kill may cost.
        chunk_documents: Documents that are sifted at once, or fewer if they are long.
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
        sieve = Sieve(cleaning)
        writer = Writer(
            folder,
            counts,
            sieve,
            fingerprint=fingerprint,
            bits=16 if vocab_size <= 1 << 16 else 32,
            every_seconds=every_seconds,
        )
        chunks = _chunks(islice(iter(documents), counts.num_read, None), chunk_documents)
        for sifted in _ahead(chunks, sieve):
            encoded = encode([sentence for text in sifted.texts for sentence in text])
            writer.add(sifted, encoded, held_share)
            watch(writer.counts)
        writer.finish()
    return TokenStore(folder)


def _ahead(chunks: Iterator[list[Document]], sieve: Sieve) -> Iterator[Sifted]:
    """Chunks read and sifted, each while the one before is being encoded."""

    def sift() -> Sifted | None:
        chunk = next(chunks, None)
        return None if chunk is None else sieve.sift(chunk)

    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(sift)
        while (sifted := coming.result()) is not None:
            coming = aside.submit(sift)
            yield sifted


def _chunks(documents: Iterator[Document], most: int) -> Iterator[list[Document]]:
    """Documents in runs that are small whatever their length."""
    chunk: list[Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document if isinstance(document, str) else document[0])
        if len(chunk) >= most or size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


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
        self.origins = _mapped(folder / "origins", np.dtype("<u2"))
        self.weights: tuple[int, ...] | None = None
        told = self.counts
        if (len(self.tokens), len(self.sentences)) != (told.num_tokens, told.num_sentences) or any(
            len(found) != told.num_documents for found in (self.documents, self.held, self.origins)
        ):
            raise DataError(
                "{folder} is damaged: its files are not as long as it says; delete it and make it "
                "again.",
                folder=folder,
            )

    def weighted(self, weights: Sequence[int]) -> "TokenStore":
        """The same store, a training passage of source ``i`` in it ``weights[i]`` times."""
        self.weights = tuple(weights)
        return self

    def tokens_by_origin(self, num: int) -> Ids:
        """Training tokens of each of ``num`` sources."""
        ends = np.concatenate([[0], self.sentences])
        sizes = np.diff(ends[np.concatenate([[0], self.documents])])
        return np.bincount(self.origins, sizes * ~self.held, minlength=num)

    def passages(self, max_tokens: int, *, held: bool) -> "Stretches":
        """Stretches of whole sentences of one document, as long as ``max_tokens`` allows."""
        owners = np.flatnonzero(self.held == held)
        firsts = np.where(owners > 0, self.documents[owners - 1], 0)
        lasts = self.documents[owners]
        found: list[tuple[Ids, Ids, Ids]] = []
        # Every document at once, a stretch a round.
        while (going := firsts < lasts).any():
            firsts, lasts, owners = firsts[going], lasts[going], owners[going]
            begins = np.where(firsts > 0, self.sentences[firsts - 1], 0)
            # Up to the first sentence that would end too far; one that is too long stands alone.
            ends = np.searchsorted(self.sentences, begins + max_tokens, side="right")
            ends = np.clip(ends, firsts + 1, lasts)
            found.append((firsts, ends, owners))
            firsts = ends
        starts, ends, owners = (
            np.concatenate([np.empty(0, np.int64), *(row[i] for row in found)]) for i in range(3)
        )
        order = np.argsort(starts, kind="stable")
        if self.weights is not None and not held:
            order = np.repeat(order, np.asarray(self.weights)[self.origins[owners[order]]])
        bounds = np.stack([starts[order], ends[order]], axis=1)
        return Stretches(self, bounds, owners[order], max_tokens)


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


def _read_facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    good = isinstance(facts, dict) and facts.get("format") == FORMAT
    return facts if good else None


def _mapped(path: Path, dtype: np.dtype[Any]) -> Ids:
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "r")
