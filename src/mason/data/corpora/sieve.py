"""Which documents of a corpus are worth a place in the store: a chunk at a time, in order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mason.data.corpora.contamination import Guarded
from mason.data.corpora.key_set import KeySet, stands_earlier
from mason.data.corpora.quality import fault_of
from mason.data.corpora.sentences import sentences
from mason.data.corpora.sketches import NUM_BANDS, band_keys

Keys = npt.NDArray[np.uint64]
Document = str | tuple[str, int]
"""A text, or a text with the number of its source."""

NEAR_SLOTS = 1 << 25
"""Room for the bands of 1.8 million documents in 256 MB; near copies of later ones stay."""


@dataclass(frozen=True)
class Cleaning:
    """What is left out beside equal documents.

    Attributes:
        near_copies: Documents nearly like one before them, as ``sketches`` says.
        poor: Documents that break a rule of ``quality``.
        guarded: Documents that hold a passage of these evaluation texts.
    """

    near_copies: bool = False
    poor: bool = False
    guarded: Guarded | None = None


COPIES_ONLY = Cleaning()


@dataclass(frozen=True)
class Sifted:
    """What is kept of a chunk, and how many documents are not, by reason.

    Attributes:
        texts: Sentences of each document.
        origins: Its source.
        digests: A hash of its text.
        bands: Its sketch; none where near copies are kept.
        num_bytes: UTF-8 bytes of all.
    """

    num_read: int
    texts: list[list[str]]
    origins: list[int]
    digests: Keys
    bands: Keys
    num_bytes: int
    dropped: dict[str, int] = field(default_factory=dict)


class Sieve:
    """Remembers what was kept; the same documents in the same chunks give the same choice."""

    def __init__(self, cleaning: Cleaning) -> None:
        self.cleaning = cleaning
        self._exact, self._near = KeySet(), KeySet(NEAR_SLOTS)

    @property
    def num_bands(self) -> int:
        """Keys kept of each document for near copies."""
        return NUM_BANDS if self.cleaning.near_copies else 0

    def remember(self, digests: Keys, bands: Keys) -> None:
        """Take in documents that were kept before."""
        self._exact.add(digests)
        self._near.add(bands.reshape(-1))

    def sift(self, chunk: Sequence[Document]) -> Sifted:
        """Choose among the next documents, and remember what is kept."""
        pairs = [(d, 0) if isinstance(d, str) else d for d in chunk]
        texts = [text for text, _ in pairs]
        packed = [text.encode("utf-8", "surrogatepass") for text in texts]
        hashes = [hashlib.blake2b(text, digest_size=8).digest() for text in packed]
        digests = np.frombuffer(b"".join(hashes), ">u8").astype(np.uint64)
        kept = np.flatnonzero(~(self._exact.holds(digests) | stands_earlier(digests)))
        dropped = {"num_copies": len(texts) - len(kept)}
        if self.cleaning.guarded:
            touched = np.array([self.cleaning.guarded.touches(texts[i]) for i in kept], np.bool_)
            kept, dropped["num_excluded"] = kept[~touched], int(touched.sum())
        if self.cleaning.poor:
            poor = np.array([fault_of(texts[i]) is not None for i in kept], np.bool_)
            kept, dropped["num_poor"] = kept[~poor], int(poor.sum())
        bands = np.empty((len(kept), self.num_bands), np.uint64)
        if self.cleaning.near_copies and len(kept):
            bands = band_keys([texts[i] for i in kept])
            near = self._like_earlier(bands)
            kept, bands, dropped["num_near_copies"] = kept[~near], bands[~near], int(near.sum())
        self.remember(digests[kept], bands)
        return Sifted(
            len(texts),
            [sentences(texts[i]) for i in kept],
            [pairs[i][1] for i in kept],
            digests[kept],
            bands,
            sum(len(packed[i]) for i in kept),
            dropped,
        )

    def _like_earlier(self, bands: Keys) -> npt.NDArray[np.bool_]:
        """Documents that share a band with one kept before, or one before in this chunk."""
        known = self._near.holds(bands.reshape(-1)).reshape(bands.shape)
        again = np.stack([stands_earlier(band) for band in bands.T], axis=1)
        return np.asarray((known | again).any(axis=1))
