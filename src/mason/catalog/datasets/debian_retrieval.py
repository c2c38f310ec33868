"""One-line synopses of Debian packages, each with the long description it belongs to.

The split is by source package, as in ``debian-sections``: packages of one source have
near-copies of one description.
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.catalog.datasets.debian_sections import held_out
from mason.catalog.debian import packages
from mason.language import say

_LEAST_WORDS, _LEAST_SYNOPSIS = 15, 3


def _rows() -> Iterator[Row]:
    seen: set[str] = set()
    for package in packages():
        synopsis, _, rest = package.paragraphs.partition("\n")
        synopsis, text = synopsis.rstrip("."), " ".join(rest.split())
        long_enough = len(text.split()) >= _LEAST_WORDS
        if not long_enough or len(synopsis.split()) < _LEAST_SYNOPSIS or text in seen:
            continue
        seen.add(text)
        side = "test" if held_out(package.source) else "train"
        yield synopsis, text, package.name, package.source, side


DATASET = Dataset(
    name="debian-retrieval",
    title=lambda: say("Debian packages: one-line synopses and the descriptions they belong to"),
    task="embedding",
    language="en",
    citation="Debian GNU/Linux, package indexes of the main archive",
    licence="that of each package, whose authors wrote its description",
    source="apt: descriptions",
    columns=("query", "document", "package", "source", "split"),
    num_rows=(20_000, 70_000),
    rows=_rows,
    text="query",
    label=None,
    group="source",
    split="split",
)
