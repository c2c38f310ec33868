"""A tagger of words as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, overload

import numpy as np

from mason.errors import DataError
from mason.explanation import Subject
from mason.explanation.numbers import RowOdds
from mason.metrics.entities import is_of_entities, name_entities
from mason.tasks.tagging import HEAD, Examples, examples_of, predict_logits, spelled
from mason.tasks.windows import Frame
from mason.text import Encoding
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

    def subject(self, text: str, *, why: str | None = None) -> Subject:
        """The tag of one word of a text.

        Args:
            text: What is read.
            why: The word; None: the first whose tag is not the text's commonest.

        Raises:
            DataError: The text has no words, or not this one.
        """
        tagged = self.predict(text)
        tags = tagged.tags
        rare = (i for i, tag in enumerate(tags) if tag != max(tags, key=tags.count))
        named = (i for i, word in enumerate(tagged.words) if word.word == why)
        chosen = next(rare, 0) if why is None else next(named, None)
        if chosen is None or not tags:
            raise DataError("The text has no word {word!r}; name one that it has.", word=why or "")
        examples = self.encode([[word.word for word in tagged.words]])
        window = next(i for i, words in enumerate(examples.words) if chosen in words)
        return Subject.of(
            self.network,
            self.tokenizer,
            [text],
            self._spelled(examples, window, [(word.start, word.end) for word in tagged.words]),
            number=RowOdds(HEAD, self.labels.index(tags[chosen]), self.temperature),
            answer=f"{tagged.words[chosen].word}/{tags[chosen]}",
            asked=(examples.rows[window][list(examples.words[window]).index(chosen)],),
        )

    def _spelled(
        self, examples: Examples, window: int, places: Sequence[tuple[int, int]]
    ) -> Encoding:
        """The tokens of a window with the places of their words."""
        frame, tokens = Frame.of(self.tokenizer), list(examples.tokens[window])
        spans, parts = [(0, 0)] * len(tokens), [-1] * len(tokens)
        last = self.network.spec.topology == "decoder"  # a word's last piece stands for it
        rows = list(examples.rows[window])
        ends = [len(frame.before) - 1, *rows] if last else [*rows, len(tokens) - len(frame.after)]
        for i, word in enumerate(examples.words[window]):
            mine = range(ends[i] + 1, ends[i + 1] + 1) if last else range(ends[i], ends[i + 1])
            for token in mine:
                spans[token], parts[token] = places[word], 0
        return Encoding(tokens, [0] * len(tokens), spans, parts, False)

    def _cut(self, given: str | Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
        """A text and the places of its words."""
        return (given, split_words(given, self.unit)) if isinstance(given, str) else spelled(given)

    def facts(self) -> dict[str, Any]:
        """What a word is, and the temperature."""
        return {"unit": self.unit, "calibration": {"temperature": self.temperature}}
