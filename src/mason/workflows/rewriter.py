"""A model that writes a text for a text, as a user holds it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, overload

from mason.errors import DataError, SettingsError, TokenizerError
from mason.explanation import Subject
from mason.explanation.numbers import WrittenOdds
from mason.generation import Sampling, generate, stream
from mason.tasks.classification import reading_passes
from mason.tasks.text_to_text import HEAD, Exchanges
from mason.workflows.model import Model

_PASS = 8192
"""Most tokens that are held at once while texts are written."""


class Source(NamedTuple):
    """A text as the network reads it; ``cut``: the text was longer."""

    ids: list[int]
    cut: bool


@dataclass
class Rewriter(Model):
    """Writes a text for each text.

    Attributes:
        separator: What a lone decoder reads between a text and what it writes.
        max_new_tokens: Most tokens it writes: as many as the longest text it learned from.
        num_beams: Texts that are followed at once; 1 takes the likeliest token every time.
    """

    SEPARATOR: ClassVar[str] = "\n"
    """Of a new model."""
    KEEPS_END: ClassVar[bool] = False
    """Whether a text that is too long loses its beginning, not its end."""
    DRAFTS: ClassVar[int] = 0
    """Tokens guessed ahead from the text that is read."""

    separator: str = "\n"
    max_new_tokens: int = 128
    num_beams: int = 1

    @property
    def end(self) -> int:
        """The token that ends a text.

        Raises:
            TokenizerError: There is none.
        """
        named = self.network.spec.special.eos
        if isinstance(named, tuple):
            named = named[0]
        special = self.tokenizer.special
        for token in (named, special.eos, special.sep):
            if token is not None:
                return token
        raise TokenizerError(
            "The tokenizer of {source} has no token that ends a text; name one as eos_token in "
            "its tokenizer_config.json.",
            source=self.source,
        )

    @property
    def encodes(self) -> bool:
        """Whether an encoder reads the text."""
        return self.network.spec.encoder is not None

    @property
    def room(self) -> int | None:
        """Most tokens of a text that are read; None: there is no limit."""
        if self.encodes or self.max_tokens is None:
            return self.max_tokens
        between = self.tokenizer.encode_ids([self.separator], special=False)[0]
        return max(1, self.max_tokens - self.max_new_tokens - len(between))

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Texts as the network reads them, cut so that there is room to write."""
        return [source.ids for source in self.sources(texts)]

    def sources(self, texts: Sequence[str]) -> list[Source]:
        """The same, each with whether it was cut."""
        if self.encodes:
            encoded = self.tokenizer.encode(texts, max_tokens=self.max_tokens)
            return [Source(e.ids, e.cut) for e in encoded]
        between = self.tokenizer.encode_ids([self.separator], special=False)[0]
        found, room = [], self.room
        for ids in self.tokenizer.encode_ids(texts):
            begun = whole = ids[:-1] if ids and ids[-1] == self.end else ids
            if room is not None:
                begun = whole[-room:] if self.KEEPS_END else whole[:room]
            found.append(Source([*begun, *between] or [self.end], len(begun) < len(whole)))
        return found

    def exchanges(self, texts: Sequence[str], targets: Sequence[str]) -> Exchanges:
        """Texts and what to write for each, the token that ends it included."""
        return self.exchanged(self.sources(texts), targets)

    def exchanged(self, sources: Sequence[Source], targets: Sequence[str]) -> Exchanges:
        """The same of texts that were read. What goes on beyond the room to write has no end."""
        written = self.tokenizer.encode_ids(targets, special=self.encodes)
        whole = [[*(ids[:-1] if ids[-1:] == [self.end] else ids), self.end] for ids in written]
        room = self.max_new_tokens
        cut = [s.cut or len(ids) > room for s, ids in zip(sources, whole, strict=True)]
        return Exchanges([s.ids for s in sources], [ids[:room] for ids in whole], cut)

    def num_tokens(self, texts: Sequence[str], targets: Sequence[str]) -> list[int]:
        """Tokens of each text and its target before they are cut.

        Of the longer of both where an encoder reads the text: each has the limit to itself.
        """
        sides = [self.tokenizer.encode_ids(side) for side in (texts, targets)]
        both = [(len(a), len(b)) for a, b in zip(*sides, strict=True)]
        return [max(pair) if self.encodes else sum(pair) for pair in both]

    @overload
    def predict(self, texts: str) -> str: ...

    @overload
    def predict(self, texts: list[str]) -> list[str]: ...

    def predict(self, texts: str | list[str]) -> str | list[str]:
        """What it writes for a text, or for each of a list."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        return self.answers(self.read(texts))

    def stream(self, text: str) -> Iterator[str]:
        """What it writes for a text by the likeliest token every time, piece by piece."""
        (source,) = self.read([text])
        return stream(
            self.network, source, replace(self._sampling, num_beams=1), tokenizer=self.tokenizer
        )

    def answers(self, sources: Sequence[Sequence[int]]) -> list[str]:
        """What it writes for texts as the network reads them."""
        found = [""] * len(sources)
        # Texts of like length end together, and memory is bounded by what they may grow to.
        grown = [len(source) + self.max_new_tokens for source in sources]
        for run in reading_passes(grown, _PASS):
            new = self._write([sources[i] for i in run])
            for i, ids in zip(run, new, strict=True):
                found[i] = self.tokenizer.decode(ids)
        return found

    @property
    def _sampling(self) -> Sampling:
        return Sampling(
            max_new_tokens=self.max_new_tokens,
            num_beams=self.num_beams,
            stop_tokens=(self.end,),
            num_drafts=self.DRAFTS if self.num_beams == 1 else 0,
        )

    def _write(self, sources: Sequence[Sequence[int]]) -> list[list[int]]:
        return [answer.tokens for answer in generate(self.network, sources, self._sampling)]

    def subject(self, text: str, *, why: str | None = None) -> Subject:
        """A token that is written for a text, what was written before it given.

        Args:
            text: What is read.
            why: Of what is written: the token that completes it is explained; None: the first.

        Raises:
            MasonError: No encoder reads the text, or this is not written.
        """
        if not self.encodes:
            raise SettingsError(
                "What a lone decoder writes for a text cannot be explained by its words yet; load "
                "it with task generation to see what made its next token."
            )
        (encoding,) = self.tokenizer.encode([text], max_tokens=self.max_tokens)
        (written,) = self._write([encoding.ids])
        spelled = [self.tokenizer.decode(written[: i + 1]) for i in range(len(written))]
        place = next((i for i, told in enumerate(spelled) if why is None or why in told), None)
        if place is None:
            raise DataError(
                "{word!r} is not in what the model writes: {text}", word=why, text=spelled[-1:]
            )
        start = self.network.spec.special.decoder_start
        return Subject.of(
            self.network,
            self.tokenizer,
            [text],
            encoding,
            number=WrittenOdds(HEAD, (start or 0, *written[:place]), written[place]),
            answer=why or self.tokenizer.decode([written[place]]),
        )

    def facts(self) -> dict[str, Any]:
        """What it needs to write as it learned to."""
        return {"separator": self.separator, "max_new_tokens": self.max_new_tokens}


@dataclass
class Translator(Rewriter):
    """Writes a text in another language."""

    task: ClassVar[str] = "translation"


@dataclass
class Summariser(Rewriter):
    """Writes the gist of a text."""

    task: ClassVar[str] = "summarisation"


@dataclass
class Completer(Rewriter):
    """Goes on with a prompt; what it writes follows at once."""

    task: ClassVar[str] = "completion"
    SEPARATOR: ClassVar[str] = ""
    KEEPS_END: ClassVar[bool] = True
