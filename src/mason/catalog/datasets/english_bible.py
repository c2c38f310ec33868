"""The World English Bible with the deuterocanonical books, from the Debian package of its module.

A document a chapter, in order; paragraphs and lines of verse are lines. Notes are left out.
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.catalog.debian import unpacked
from mason.catalog.sword import chapters
from mason.language import say

PACKAGE = "sword-text-web"


def _rows() -> Iterator[Row]:
    (index,) = unpacked(PACKAGE).rglob("nt.bzs")
    for chapter in chapters(index.parent):
        yield chapter.text, chapter.name.partition(".")[0], chapter.name


DATASET = Dataset(
    name="english-bible",
    title=lambda: say("The World English Bible, for pretraining"),
    task="pretraining",
    language="en",
    citation="World English Bible, eBible.org",
    licence="public domain",
    source=f"apt {PACKAGE}",
    columns=("text", "book", "chapter"),
    num_rows=(1_380, 1_420),
    rows=_rows,
    label=None,
    group="book",
)
