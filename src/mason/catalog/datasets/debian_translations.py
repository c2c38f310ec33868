"""Descriptions of Debian's packages in English and another language, paragraph by paragraph.

A translation belongs to a description by the package's name and the description's checksum;
only those with as many paragraphs on both sides are taken, and no paragraph that is the same on
both. Packages of one source, whose descriptions are near-copies, must stay on one side of a split.
"""

from collections.abc import Iterator
from functools import partial

from mason.catalog.dataset import Dataset, Row
from mason.catalog.debian import translations
from mason.language import say


def _rows(language: str) -> Iterator[Row]:
    seen = set()
    for package, other in translations(language):
        ours, theirs = package.paragraphs.split("\n"), other.paragraphs.split("\n")
        if len(ours) != len(theirs):
            continue
        for english, translated in zip(ours, theirs, strict=True):
            if english != translated and (english, translated) not in seen:
                seen.add((english, translated))
                yield english, translated, package.source


def _dataset(language: str, num_rows: tuple[int, int], index: str | None = None) -> Dataset:
    """Of a language, whose index may have a name of its own."""
    return Dataset(
        name=f"debian-en-{language}",
        title=lambda: say(
            "Descriptions of Debian's packages, English to {language}", language=language
        ),
        task="translation",
        language=f"en, {language}",
        citation="Debian Description Translation Project",
        licence="that of each package, whose authors wrote its description",
        source="apt",
        columns=("en", language, "source"),
        num_rows=num_rows,
        rows=partial(_rows, index or language),
        text="en",
        label=None,
        target=language,
        group="source",
    )


FRENCH = _dataset("fr", (30_000, 200_000))
GERMAN = _dataset("de", (20_000, 200_000))
CHINESE = _dataset("zh", (1_000, 50_000), "zh_CN")
