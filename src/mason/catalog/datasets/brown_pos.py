"""The Brown corpus as tagged words: parts of speech.

What the corpus adds to a tag is taken off: headline (-HL), title (-TL), cited word (-NC), and
FW- for foreign words, which leaves 187 tags. A tenth of the 500 texts, by a hash of their name,
are for testing; a text is never on both sides.
"""

import re
from collections.abc import Iterator

from mason.catalog.dataset import TEST_SHARE, Dataset, Row, hashed_share
from mason.catalog.datasets.brown import FILE, SOURCE
from mason.language import say
from mason.sources import find_data

_ADDED = re.compile(r"^fw-|-(?:hl|tl|nc)")


def simplified(tag: str) -> str:
    """A tag without what says only where its word stands."""
    return _ADDED.sub("", tag.lower())


def _rows() -> Iterator[Row]:
    for file in sorted(find_data(SOURCE).iterdir()):
        match = FILE.fullmatch(file.name)
        if match is None:
            continue
        number = hashed_share(file.name)
        split = "test" if number < TEST_SHARE else "train"
        for line in file.read_text(encoding="utf-8").splitlines():
            pairs = [token.rpartition("/") for token in line.split()]
            if pairs:
                words = " ".join(word for word, _, _ in pairs)
                yield words, " ".join(simplified(tag) for *_, tag in pairs), file.name, split


DATASET = Dataset(
    name="brown-pos",
    title=lambda: say("The Brown corpus with the part of speech of every word"),
    task="tagging",
    language="en",
    citation="W. N. Francis and H. Kucera, Brown Corpus Manual, Brown University, 1964",
    licence="non-commercial use; the package says MIT",
    source=SOURCE,
    columns=("tokens", "tags", "document", "split"),
    num_rows=57_340,
    rows=_rows,
    text="tokens",
    label="tags",
    group="document",
    split="split",
)
