"""A tagger of words as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, overload

import numpy as np

from mason.metrics.entities import is_of_entities, name_entities
from mason.tasks.tagging import Examples, examples_of, predict_logits, spelled
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
        return examples_of(
            sentences,
            self.tokenizer,
            max_tokens=self.max_tokens,
            targets=targets,
            last=self.network.spec.topology == "decoder",
        )

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
    def predict(self, texts: list[Any]) -> list[Tagged]: ...

    def predict(
        self, texts: str | Sequence[str] | Sequence[Sequence[str]]
    ) -> Tagged | list[Tagged]:
        """A text with its words tagged, or a list of them; a list of words is taken as it is."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        cut = [self._cut(text) for text in texts]
        words = [[text[start:end] for start, end in places] for text, places in cut]
        tags = iter(self.tag([some for some in words if some]))
        return [
            Tagged(
                text,
                tuple(
                    TaggedWord(text[start:end], tag, likely, start, end)
                    for (start, end), (tag, likely) in zip(
                        places, next(tags) if places else [], strict=True
                    )
                ),
            )
            for text, places in cut
        ]

    def _cut(self, given: str | Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
        """A text and the places of its words."""
        return (given, split_words(given, self.unit)) if isinstance(given, str) else spelled(given)

    def facts(self) -> dict[str, Any]:
        """What a word is, and the temperature."""
        return {"unit": self.unit, "calibration": {"temperature": self.temperature}}
