"""Descriptions of Debian's packages and the one line that sums each up.

Taken are descriptions of at least 30 words whose synopsis has at least four, each text once.
Packages of one source have near-copies of one description, so the split is by source, a tenth of
them for testing. Debian moves, and the figures with it, slowly.
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.catalog.datasets.debian_sections import held_out
from mason.catalog.debian import packages
from mason.language import say

LEAST_WORDS, LEAST_OF_SYNOPSIS = 30, 4


def _rows() -> Iterator[Row]:
    seen = set()
    for package in packages():
        synopsis, _, text = package.paragraphs.partition("\n")
        synopsis = synopsis.rstrip(".")
        long = len(text.split()) >= LEAST_WORDS and len(synopsis.split()) >= LEAST_OF_SYNOPSIS
        if long and text not in seen:
            seen.add(text)
            split = "test" if held_out(package.source) else "train"
            yield text, synopsis, package.name, package.source, split


DATASET = Dataset(
    name="debian-synopses",
    title=lambda: say("Descriptions of Debian's packages, and the line that sums each up"),
    task="summarisation",
    language="en",
    citation="Debian GNU/Linux, package indexes of the main archive",
    licence="that of each package, whose authors wrote its description",
    source="apt",
    columns=("text", "summary", "package", "source", "split"),
    num_rows=(30_000, 80_000),
    rows=_rows,
    label=None,
    target="summary",
    group="source",
    split="split",
)
