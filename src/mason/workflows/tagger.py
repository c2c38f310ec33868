"""A tagger of words as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, overload

import numpy as np

from mason.metrics.entities import is_of_entities, name_entities
from mason.tasks.tagging import Examples, examples_of, predict_logits
from mason.text.splitting import Unit, split_words
from mason.workflows.model import Model


@dataclass(frozen=True)
class TaggedWord:
    """A word of a text, its tag, and how likely that is."""

    word: str
    tag: str
    probability: float
    start: int
    """First character in the text."""
    end: int
    """Last character + 1."""


@dataclass(frozen=True)
class Tagged:
    """A text with the tags of its words."""

    text: str
    words: tuple[TaggedWord, ...]

    @property
    def tags(self) -> list[str]:
        """The tags alone."""
        return [word.tag for word in self.words]

    @property
    def entities(self) -> list[tuple[str, str]]:
        """Type and text of each entity, where the tags name any."""
        if not is_of_entities(self.tags):
            return []
        found = name_entities(self.tags)
        return [
            (e.kind, self.text[self.words[e.start].start : self.words[e.end - 1].end])
            for e in found
        ]

    def __str__(self) -> str:
        return " ".join(f"{word.word}/{word.tag}" for word in self.words)


@dataclass
class Tagger(Model):
    """A tagger of words.

    Attributes:
        temperature: Logits are divided by this to make probabilities honest.
        unit: What a word of Chinese is: a word, or a character.
    """

    task: ClassVar[str] = "tagging"

    temperature: float = 1.0
    unit: Unit = "word"

    def encode(
        self,
        sentences: Sequence[Sequence[str]],
        targets: Sequence[Sequence[int]] | None = None,
    ) -> Examples:
        """Sentences of words as the network reads them."""
        return examples_of(sentences, self.tokenizer, max_tokens=self.max_tokens, targets=targets)

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Calibrated probabilities [words, tags] of each sentence."""
        from scipy.special import softmax

        logits = predict_logits(self.network, self.encode(sentences))
        likely = softmax(logits / self.temperature, axis=1)
        ends = list(accumulate(map(len, sentences)))
        return np.split(likely, ends[:-1]) if ends else []

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[str, float]]]:
        """The likeliest tag of each word of each sentence, and its probability."""
        return [
            [(self.labels[int(row.argmax())], float(row.max())) for row in rows]
            for rows in self.probabilities(sentences)
        ]

    @overload
    def predict(self, texts: str) -> Tagged: ...

    @overload
    def predict(self, texts: list[str]) -> list[Tagged]: ...

    def predict(self, texts: str | list[str]) -> Tagged | list[Tagged]:
        """A text with its words tagged, or a list of them for a list of texts."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        places = [split_words(text, self.unit) for text in texts]
        words = [[t[a:b] for a, b in spans] for t, spans in zip(texts, places, strict=True)]
        filled = [i for i, some in enumerate(words) if some]
        found = dict(zip(filled, self.tag([words[i] for i in filled]), strict=True))
        return [
            Tagged(
                text,
                tuple(
                    TaggedWord(word, tag, likely, *span)
                    for word, span, (tag, likely) in zip(
                        words[i], places[i], found.get(i, []), strict=True
                    )
                ),
            )
            for i, text in enumerate(texts)
        ]

    def facts(self) -> dict[str, Any]:
        """What a word is, and the temperature."""
        return {"unit": self.unit, "calibration": {"temperature": self.temperature}}
