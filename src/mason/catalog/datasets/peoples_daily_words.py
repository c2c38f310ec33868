"""People's Daily of January 1998 as tagged words: parts of speech, and names.

A paragraph a line, at most 19,484 of them. The parts of speech are the corpus's 40-odd;
for names, nr (person), ns (place) and nt (organisation) are said as BIO tags of words. Every
tenth hundred paragraphs in the order of the paper are for testing, so that an article is
hardly ever on both sides.
"""

from collections.abc import Callable, Iterator, Sequence

from mason.catalog.dataset import Dataset, Row
from mason.catalog.datasets.peoples_daily import SOURCE
from mason.language import say
from mason.sources import find_data

_STRETCH, _EVERY = 100, 10
_NAMES = {"nr": "PER", "ns": "LOC", "nt": "ORG"}


def names_of(tags: Sequence[str]) -> list[str]:
    """Parts of speech as BIO tags; a surname and a first name, both nr, are one person."""
    found: list[str] = []
    for i, tag in enumerate(tags):
        kind = _NAMES.get(tag)
        goes_on = kind == "PER" and i > 0 and tags[i - 1] == tag and found[-1] == "B-PER"
        found.append(f"{'I' if goes_on else 'B'}-{kind}" if kind else "O")
    return found


def _rows(tagged: Callable[[Sequence[str]], Sequence[str]]) -> Iterator[Row]:
    lines = find_data(SOURCE).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        pairs = [token.rpartition("/") for token in line.split()]
        pairs = [(word, mark, tag) for word, mark, tag in pairs if word and tag]
        if not pairs:
            continue
        stretch = number // _STRETCH
        split = "test" if stretch % _EVERY == _EVERY - 1 else "train"
        words = " ".join(word for word, *_ in pairs)
        yield words, " ".join(tagged([tag for *_, tag in pairs])), str(stretch), split


def _dataset(name: str, title: Callable[[], str], rows: Callable[[], Iterator[Row]]) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        task="tagging",
        language="zh",
        citation="Institute of Computational Linguistics, Peking University, "
        "People's Daily corpus of 1998",
        licence="none stated for the texts; the package says MIT",
        source=SOURCE,
        columns=("tokens", "tags", "stretch", "split"),
        num_rows=(19_000, 19_500),
        rows=rows,
        text="tokens",
        label="tags",
        group="stretch",
        split="split",
    )


POS = _dataset(
    "peoples-daily-pos",
    lambda: say("Chinese newspaper text with the part of speech of every word"),
    lambda: _rows(list),
)
NER = _dataset(
    "peoples-daily-ner",
    lambda: say("Chinese newspaper text with its persons, places and organisations"),
    lambda: _rows(names_of),
)
