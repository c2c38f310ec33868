"""A language model as an ear: how likely texts are, and which of their words are not."""

from collections.abc import Sequence

from mason.security.memory import token_losses
from mason.security.words import Words
from mason.workflows.loading import load
from mason.workflows.writer import Writer

JUDGE = "SmolLM2-135M-Instruct"
"""Listens to texts where the user names no other."""


class Judge:
    """What ``mason.security.outliers.Ear`` asks for.

    Args:
        source: A model that writes, as for ``mason.load``.

    Raises:
        MasonError: It cannot be loaded, or does not write.
    """

    def __init__(self, source: str) -> None:
        model = load(source, task=Writer.task)
        assert isinstance(model, Writer), "the task decides the class"
        self._network, self._tokenizer = model.network.eval(), model.tokenizer
        special = model.tokenizer.special
        start = special.bos if special.bos is not None else special.eos
        # A text's first word is guessed too, from what begins texts.
        self._start = [] if start is None else [start]
        self._most = model.network.spec.max_tokens

    def nats(self, texts: Sequence[str]) -> list[float]:
        """The mean loss of a text's tokens."""
        found = token_losses(self._network, self._ids(texts))
        return [sum(each) / len(each) if each else 0.0 for each in found]

    def surprises(self, texts: Sequence[Words]) -> list[list[float]]:
        """The loss of each word's tokens together."""
        plain = [str(words) for words in texts]
        guessed = slice(0 if self._start else 1, None)
        spans = [one.spans[guessed] for one in self._tokenizer.encode(plain, special=False)]
        found = token_losses(self._network, self._ids(plain))
        return [
            _by_word(words, places, each)
            for words, places, each in zip(texts, spans, found, strict=True)
        ]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        ids = self._tokenizer.encode_ids(texts, special=False)
        return [[*self._start, *one][: self._most] for one in ids]


def _by_word(words: Words, spans: Sequence[tuple[int, int]], each: Sequence[float]) -> list[float]:
    """Losses of tokens as those of words: a token belongs to the word that it ends in."""
    ends, end = [], 0
    for gap, word in zip(words.gaps, words.words, strict=False):
        end += len(gap) + len(word)
        ends.append((end - len(word), end))
    found = [0.0] * len(ends)
    for (_, token_end), loss in zip(spans, each, strict=False):
        for place, (start, stop) in enumerate(ends):
            if start < token_end <= stop:
                found[place] += loss
    return found
