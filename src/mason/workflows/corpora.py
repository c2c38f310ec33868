"""From what the user named to the documents of a corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mason.catalog import find as find_dataset
from mason.data.corpora.contamination import Guarded
from mason.data.corpora.documents import documents, find_files
from mason.data.corpora.sieve import Cleaning
from mason.data.corpora.store import TokenStore
from mason.data.corpora.writer import Counts
from mason.errors import SettingsError
from mason.language import say
from mason.settings import DataSettings
from mason.workflows.preparing import CATALOG


@dataclass(frozen=True)
class Corpus:
    """Files in order, and of each what named it and which column its text is in.

    Attributes:
        files: Each file once, of the first source that names it.
        origins: The number of that source.
        columns: None: found.
    """

    files: tuple[Path, ...]
    origins: tuple[int, ...]
    columns: tuple[str | None, ...]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Every document with the number of its source."""
        for file, origin, column in zip(self.files, self.origins, self.columns, strict=True):
            for text in documents([file], text=column):
                yield text, origin

    def texts(self) -> Iterator[str]:
        """Every document."""
        return (text for text, _ in self)

    @property
    def num_bytes(self) -> int:
        """What the files hold, packed as they are."""
        return sum(file.stat().st_size for file in self.files)

    def facts(self) -> str:
        """What decides the documents: changes when a file does."""
        told = []
        for file, column in zip(self.files, self.columns, strict=True):
            found = file.stat()
            told.append(f"{file.resolve()} {found.st_size} {found.st_mtime_ns} {column}")
        return "\n".join(told)


def find_corpus(named: str | Sequence[str] | None, *, text: str | None = None) -> Corpus:
    """Files, folders, patterns and ``catalog:NAME`` as a corpus.

    Args:
        named: One source, or several.
        text: Column of the text in tables and jsonl; the catalogue knows its own.

    Raises:
        MasonError: A source names nothing, or cannot be had.
    """
    found: dict[Path, tuple[int, str | None]] = {}
    for origin, name in enumerate([named] if isinstance(named, str) else named or ()):
        if name.startswith(CATALOG):
            dataset = find_dataset(name)
            found.setdefault(dataset.build(), (origin, dataset.text))
        else:
            for file in find_files([name]):
                found.setdefault(file, (origin, text))
    origins = tuple(origin for origin, _ in found.values())
    return Corpus(tuple(found), origins, tuple(column for _, column in found.values()))


def corpus_of(chosen: DataSettings) -> Corpus:
    """The corpus that the settings name.

    Raises:
        MasonError: As ``find_corpus``; or the weights are not one for each source.
    """
    sources = (chosen.train,) if isinstance(chosen.train, str) else chosen.train or ()
    if chosen.weights and len(chosen.weights) != len(sources):
        raise SettingsError(
            "data.weights has {weights} numbers, but data.train names {sources} sources; give one "
            "number for each.",
            weights=len(chosen.weights),
            sources=len(sources),
        )
    return find_corpus(sources, text=chosen.text)


def cleaning_of(chosen: DataSettings) -> tuple[Cleaning, str]:
    """What the settings leave out of a corpus, and all that decides it in words.

    Near copies are left out unless it is said otherwise: a model learns more from the same time
    without them (Lee et al. 2022), and held-out documents mean nothing where training has nearly
    the same. The rules of quality are made for what a crawler finds; a corpus that somebody put
    together is kept as it is.

    Raises:
        MasonError: The evaluation texts cannot be read.
    """
    near, poor = chosen.deduplicate != "exact", chosen.quality == "web"
    facts = f"near={near} poor={poor}"
    if chosen.exclude is None:
        return Cleaning(near, poor), facts
    named = [chosen.exclude] if isinstance(chosen.exclude, str) else chosen.exclude
    evaluation = find_corpus(named)
    return Cleaning(near, poor, Guarded(evaluation.texts())), f"{facts} {evaluation.facts()}"


def shares_of(store: TokenStore, chosen: DataSettings) -> list[dict[str, Any]]:
    """What weights make of each source; nothing where there are none."""
    if not chosen.weights or not chosen.train:
        return []
    names = [chosen.train] if isinstance(chosen.train, str) else chosen.train
    num = len(names)
    documents = np.bincount(store.origins, minlength=num)
    tokens = store.tokens_by_origin(num) * chosen.weights
    return [
        {"name": n, "weight": w, "num_documents": int(d), "share": float(t / tokens.sum())}
        for n, w, d, t in zip(names, chosen.weights, documents, tokens, strict=True)
    ]


def left_out(counts: Counts) -> Iterator[str]:
    """A sentence for each reason for which documents were left out."""
    if counts.num_copies:
        yield say("Documents left out, equal to an earlier one: {num:,}.", num=counts.num_copies)
    if counts.num_near_copies:
        yield say(
            "Documents left out, nearly like an earlier one: {num:,} (data.deduplicate).",
            num=counts.num_near_copies,
        )
    if counts.num_poor:
        yield say(
            "Documents left out by the rules of quality: {num:,} (data.quality).",
            num=counts.num_poor,
        )
    if counts.num_excluded:
        yield say(
            "Documents left out, with a passage of the evaluation texts: {num:,} (data.exclude).",
            num=counts.num_excluded,
        )
