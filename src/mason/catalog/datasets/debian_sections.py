"""Debian packages by section, from their descriptions.

``debian-sections`` is a benchmark: 20 topics, at most 400 packages each. Sections that
tell what kind of thing a package is, not what it is about, are left out (libraries,
documentation, translations, tools …), and the 20 largest of the others taken; which
packages, a hash of their names decides. ``debian-sections-58`` has all of them.

Packages of one source have near-copies of one description, so the split is by source:
``split`` is "test" for a tenth of the sources, chosen by a hash of their name, and so
the same everywhere. Debian moves, and the figures with it, slowly.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from mason.catalog.dataset import TEST_SHARE, Dataset, Row, hashed_share
from mason.catalog.debian import Package, packages
from mason.language import say

NOT_TOPICS = frozenset(
    "libs libdevel oldlibs devel debug doc introspection localization metapackages misc tasks "
    "utils".split()
)
NUM_TOPICS = 20
PACKAGES_PER_TOPIC = 400


def held_out(source: str) -> bool:
    """Whether the packages of this source package belong to the test split."""
    return hashed_share(f"split {source}") < TEST_SHARE


def distinct(found: list[Package]) -> list[Package]:
    """One package for each description, the first by name."""
    first: dict[str, Package] = {}
    for package in sorted(found):
        first.setdefault(package.description, package)
    return list(first.values())


def _rows_of(chosen: list[Package]) -> Iterator[Row]:
    for package in sorted(chosen):
        split = "test" if held_out(package.source) else "train"
        yield package.description, package.section, package.name, package.source, split


def topics(found: list[Package]) -> list[Package]:
    """The benchmark's packages: the largest topics, and of each a fixed choice."""
    by_section: dict[str, list[Package]] = defaultdict(list)
    for package in distinct(found):
        by_section[package.section].append(package)
    sizes = Counter({name: len(found) for name, found in by_section.items()})
    names = [name for name, _ in sizes.most_common() if name not in NOT_TOPICS][:NUM_TOPICS]
    chosen: list[Package] = []
    for name in names:
        ranked = sorted(
            by_section[name], key=lambda package: hashed_share(f"package {package.name}")
        )
        chosen += ranked[:PACKAGES_PER_TOPIC]
    return chosen


_COLUMNS = ("text", "label", "package", "source", "split")
_CITATION = "Debian GNU/Linux, package indexes of the main archive"
_LICENCE = "that of each package, whose authors wrote its description"

DATASET = Dataset(
    name="debian-sections",
    title=lambda: say("Debian packages by topic, from their descriptions, in twenty classes"),
    task="classification",
    language="en",
    citation=_CITATION,
    licence=_LICENCE,
    source="apt",
    columns=_COLUMNS,
    num_rows=(7_000, 8_000),
    rows=lambda: _rows_of(topics(packages())),
    group="source",
    split="split",
)
FULL = Dataset(
    name="debian-sections-58",
    title=lambda: say("Debian packages by section, from their descriptions, all sections"),
    task="classification",
    language="en",
    citation=_CITATION,
    licence=_LICENCE,
    source="apt",
    columns=_COLUMNS,
    num_rows=(40_000, 120_000),
    rows=lambda: _rows_of(distinct(packages())),
    group="source",
    split="split",
)
