"""A model that reads texts, or pairs of texts, and says one thing of each."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from mason.errors import DataError
from mason.tasks.classification import Examples
from mason.workflows.model import Model

A = TypeVar("A")


@dataclass
class TextReader(Model, Generic[A]):
    """What all share that say one thing of a text: how it becomes tokens, one text or many.

    Attributes:
        pairs: Whether it was trained on pairs of texts; None: nobody says.
    """

    pairs: bool | None = None

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Examples:
        """Texts, or pairs of texts, as the network reads them.

        Raises:
            DataError: The model was trained on pairs and gets single texts, or the other way
                round.
        """
        self.check_pairs(pairs is not None)
        encodings = self.tokenizer.encode(texts, pairs, max_tokens=self.max_tokens)
        typed = self.network.spec.input_stack.embedding.num_token_types > 1
        types = [e.type_ids for e in encodings] if typed and pairs is not None else None
        return Examples([e.ids for e in encodings], types)

    @overload
    def predict(self, texts: str, pairs: str | None = None) -> A: ...

    @overload
    def predict(self, texts: list[str], pairs: list[str] | None = None) -> list[A]: ...

    def predict(self, texts: str | list[str], pairs: str | list[str] | None = None) -> A | list[A]:
        """What the model says of a text, or a list of it for a list of texts.

        Raises:
            DataError: See ``encode``.
        """
        if isinstance(texts, str):
            return self.answers([texts], [pairs] if isinstance(pairs, str) else None)[0]
        return self.answers(texts, None if pairs is None else list(pairs)) if texts else []

    @abstractmethod
    def answers(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[A]:
        """One for each text, of which there is at least one."""

    def num_tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[int]:
        """Tokens of each text, or pair of texts, before it is cut."""
        if pairs is None:
            return [len(ids) for ids in self.tokenizer.encode_ids(texts)]
        return [len(e.ids) for e in self.tokenizer.encode(texts, pairs)]

    def facts(self) -> dict[str, Any]:
        """Whether it reads pairs."""
        return {"pairs": self.pairs}

    def check_pairs(self, given: bool) -> None:
        """Refuse pairs where single texts were learned from, or the other way round.

        Raises:
            DataError: See ``encode``.
        """
        if self.pairs and not given:
            raise DataError(
                "This model was trained on pairs of texts and is given one; name the second one "
                "with --pair."
            )
        if self.pairs is False and given:
            raise DataError(
                "This model was trained on single texts and is given pairs; name the one column "
                "it shall read with --text."
            )
