"""Short conversations, English and Chinese, from the package chatterbot-corpus.

Its files have a topic each and hold the same question with many answers, and the same answer to
many questions. Conversations that share a first sentence, or an answer of some length, are one
group; a fifth of the groups, by a hash of their first sentence, are for testing, so that no copy
of a tested question or answer is learned. In a conversation the first to speak is the user.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator

import yaml

from mason.catalog.dataset import Dataset, Row
from mason.data.normal_form import normal_form
from mason.data.splits import link
from mason.language import say
from mason.sources import find_data

SOURCE = "package:chatterbot-corpus==1.3.3/chatterbot_corpus/data/{language}"
TEST_SHARE = 0.2
_LONG = 20
"""Bytes from which an answer is its conversations' mark: "Yes" is not."""


def _conversations(language: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    folder = find_data(SOURCE.format(language=language))
    for file in sorted(folder.glob("*.yml")):
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        for turns in told["conversations"]:
            said = tuple(str(turn).strip() for turn in turns)
            if len(said) > 1 and all(said):
                yield file.stem, said


def rows_of(found: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[Row]:
    """Each conversation once, as messages, with its topic, group and split."""
    known = list({said: topic for topic, said in found}.items())
    firsts = [normal_form(said[0]) for said, _ in known]
    answers = [normal_form(said[1]) for said, _ in known]
    marks = [answer if len(answer.encode()) >= _LONG else None for answer in answers]
    groups = link(firsts, marks).tolist()
    names: dict[int, str] = {}
    for group, first in zip(groups, firsts, strict=True):
        names[group] = min(first, names.get(group, first))
    for (said, topic), group in zip(known, groups, strict=True):
        turns = [
            {"role": "assistant" if place % 2 else "user", "content": text}
            for place, text in enumerate(said)
        ]
        split = "test" if _hash(names[group]) < TEST_SHARE else "train"
        yield json.dumps(turns, ensure_ascii=False), topic, names[group], split


def _hash(text: str) -> float:
    """A number from 0 to 1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _dataset(name: str, folder: str, code: str, title: Callable[[], str], rows: int) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        task="dialogue",
        language=code,
        citation="G. Cox and contributors, ChatterBot Language Training Corpus",
        licence="BSD-3-Clause",
        source=SOURCE.format(language=folder),
        columns=("messages", "topic", "group", "split"),
        num_rows=rows,
        rows=lambda: rows_of(_conversations(folder)),
        text="messages",
        label=None,
        group="group",
        split="split",
    )


ENGLISH = _dataset(
    "chatterbot",
    "english",
    "en",
    lambda: say("Short English conversations on twenty topics"),
    898,
)
CHINESE = _dataset(
    "chatterbot-zh",
    "chinese",
    "zh",
    lambda: say("Short Chinese conversations on seventeen topics"),
    465,
)
