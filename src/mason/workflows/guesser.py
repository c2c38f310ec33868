"""A masked language model as a user holds it: it guesses the word that is hidden in a text."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch

from mason.errors import CheckpointError, DataError
from mason.explanation import Subject
from mason.explanation.numbers import RowOdds
from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.text import Encoding
from mason.workflows.model import Model
from mason.workflows.opening import Chosen, open_model

HEAD = "language"
_MOST = 5


class Guess(NamedTuple):
    """A token that may stand in the gap, and how likely it is."""

    token: str
    probability: float


@dataclass
class Guesser(Model):
    """A masked language model: an encoder with the head it was pretrained with."""

    task: ClassVar[str] = "guessing"

    @property
    def mask(self) -> str:
        """What stands in a text for the word to guess, such as ``[MASK]``."""
        token = self.tokenizer.special.mask
        assert token is not None, "load_guesser refuses models without a mask"
        return self.tokenizer.pieces([token])[0]

    def predict(self, text: str, most: int = _MOST) -> list[Guess]:
        """What may stand where a text has the mask, the likeliest first.

        Raises:
            DataError: See ``encode``.
        """
        encoding, place = self.encode(text)
        with torch.inference_mode():
            packed = Packed.of([encoding.ids], device=device_of(self.network))
            at = torch.tensor([place], device=packed.tokens.device)
            likely = self.network.logits(HEAD, packed, at=at)[0].float().softmax(-1)
        best = likely.topk(min(most, len(likely)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [Guess(self.tokenizer.decode([token]), likely) for token, likely in pairs]

    def encode(self, text: str) -> tuple[Encoding, int]:
        """A text as the network reads it, and where its first mask stands.

        No special token but the mask acts in a user's text.

        Raises:
            DataError: The text has no mask, or it is cut off before it.
        """
        name = self.mask
        (found,) = self.tokenizer.encode([text], max_tokens=self.max_tokens)
        kept, place = _with_mask(found, text, name, self.tokenizer.special.mask or 0)
        if place is None:
            raise DataError(
                "The text has no {mask} where the model reads it; put it where a word is to be "
                "guessed.",
                mask=name,
            )
        return kept, place

    def subject(self, text: str, *, why: str | None = None) -> Subject:
        """The token that stands in the gap.

        Args:
            text: With a mask.
            why: The first token of this in place of the likeliest.

        Raises:
            DataError: See ``encode``.
        """
        encoding, place = self.encode(text)
        if why is not None:
            index = self.tokenizer.encode_ids([why], special=False)[0][0]
        else:
            with torch.no_grad():
                packed = Packed.of([encoding.ids], device=device_of(self.network))
                at = torch.tensor([place], device=packed.tokens.device)
                index = int(self.network.logits(HEAD, packed, at=at)[0].argmax())
        return Subject.of(
            self.network,
            self.tokenizer,
            [text],
            encoding,
            number=RowOdds(HEAD, index),
            answer=self.tokenizer.decode([index]),
            asked=(place,),
        )


def _with_mask(found: Encoding, text: str, name: str, mask: int) -> tuple[Encoding, int | None]:
    """The encoding with one mask for the pieces that spell its name, and the first one's place."""
    start = text.find(name)
    end, first = start + len(name), None
    kept: list[int] = []
    for place, (low, high) in enumerate(found.spans):
        touched = start >= 0 and found.parts[place] == 0 and low < end and high > start
        if touched and first is not None:
            continue
        if touched:
            first = len(kept)
        kept.append(place)
    ids = [found.ids[place] for place in kept]
    spans = [found.spans[place] for place in kept]
    if first is not None:
        ids[first], spans[first] = mask, (start, end)
    types, parts = ([part[place] for place in kept] for part in (found.type_ids, found.parts))
    return Encoding(ids, types, spans, parts, found.cut), first


def load_guesser(path: Path, chosen: Chosen) -> Guesser:
    """A masked language model, from where ``find_model`` found it.

    Raises:
        MasonError: It cannot be read, or it does not guess.
    """
    opened = open_model(path, chosen, heads=(HEAD,))
    fresh = any(name.startswith(f"heads.{HEAD}") for name in opened.fresh)
    if opened.network.encoder is None or fresh or opened.tokenizer.special.mask is None:
        raise CheckpointError(
            "{source} has not been trained to guess hidden words; give a masked language model.",
            source=chosen.source,
        )
    return opened.become(Guesser)
