"""Descriptions of Debian's packages as a corpus: a document a package, a line a paragraph.

Each different description stands once. The documents are in order of the packages' names, so
packages of one source, whose descriptions are near-copies, are neighbours.
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.catalog.datasets.debian_sections import distinct
from mason.catalog.debian import packages
from mason.language import say


def _rows() -> Iterator[Row]:
    for package in distinct(packages()):
        yield package.paragraphs, package.name, package.source, package.section


DATASET = Dataset(
    name="debian-descriptions",
    title=lambda: say("Descriptions of Debian's packages, for pretraining"),
    task="pretraining",
    language="en",
    citation="Debian GNU/Linux, package indexes of the main archive",
    licence="that of each package, whose authors wrote its description",
    source="apt",
    columns=("text", "package", "source", "section"),
    num_rows=(40_000, 120_000),
    rows=_rows,
    label=None,
    group="source",
)
