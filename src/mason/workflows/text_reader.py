"""A model that reads texts, or pairs of texts, and says one thing of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mason.errors import DataError
from mason.tasks.classification import Examples
from mason.workflows.model import Model


@dataclass
class TextReader(Model):
    """What a classifier and a regressor share: how texts become tokens.

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
        self._check_pairs(pairs is not None)
        encodings = self.tokenizer.encode(texts, pairs, max_tokens=self.max_tokens)
        typed = self.network.spec.input_stack.embedding.num_token_types > 1
        types = [e.type_ids for e in encodings] if typed and pairs is not None else None
        return Examples([e.ids for e in encodings], types)

    def num_tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[int]:
        """Tokens of each text, or pair of texts, before it is cut."""
        if pairs is None:
            return [len(ids) for ids in self.tokenizer.encode_ids(texts)]
        return [len(e.ids) for e in self.tokenizer.encode(texts, pairs)]

    def facts(self) -> dict[str, Any]:
        """Whether it reads pairs."""
        return {"pairs": self.pairs}

    def _check_pairs(self, given: bool) -> None:
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
