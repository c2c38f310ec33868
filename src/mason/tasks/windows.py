"""Texts longer than a model reads, as windows that overlap; and a template around each."""

from collections.abc import Sequence
from typing import NamedTuple

from mason.errors import TokenizerError
from mason.text import Tokenizer

LEAST_ROOM = 8
"""Fewest tokens of text that a window is worth reading for."""


def windows(length: int, room: int, overlap: int) -> list[range]:
    """Where windows lie in a text, so that together they hold every token.

    Args:
        length: Tokens of the text, at least 1.
        room: Tokens a window can hold.
        overlap: Tokens that neighbours share; fewer than ``room``.
    """
    assert 0 <= overlap < room, "a window must go on"
    starts = range(0, max(1, length - overlap), room - overlap)
    return [range(start, min(start + room, length)) for start in starts]


def clearest(place: int, found: Sequence[range]) -> int:
    """The number of the window that shows most of both sides of a token (Devlin et al. 2019)."""
    holding = [i for i, window in enumerate(found) if place in window]
    return max(
        holding,
        key=lambda i: (
            min(place - found[i].start, found[i].stop - 1 - place),
            len(found[i]),
        ),
    )


class Frame(NamedTuple):
    """What a tokenizer's template puts around a text, or around two.

    ``types`` are the segments of: what stands before, the first text, what stands between, the
    second text, what stands after.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int], int, list[int]]

    @classmethod
    def of(cls, tokenizer: Tokenizer, *, pair: bool = False) -> "Frame":
        """The template, read off a short text."""
        found = tokenizer.encode(["a"], ["a"] if pair else None)[0]
        firsts = [i for i, part in enumerate(found.parts) if part == 0]
        seconds = [i for i, part in enumerate(found.parts) if part == 1] or firsts
        if not firsts:
            raise TokenizerError(
                "The tokenizer makes nothing of the letter a, so its template cannot be read; "
                "train it on text with Latin letters too."
            )
        between = slice(firsts[-1] + 1, seconds[0]) if pair else slice(0, 0)
        after = slice(seconds[-1] + 1, None)
        types = found.type_ids
        return cls(
            found.ids[: firsts[0]],
            found.ids[between],
            found.ids[after],
            (
                types[: firsts[0]],
                types[firsts[0]],
                types[between],
                types[seconds[0]],
                types[after],
            ),
        )

    @property
    def num_tokens(self) -> int:
        """Tokens of the template alone."""
        return len(self.before) + len(self.between) + len(self.after)

    def around(self, first: Sequence[int], second: Sequence[int] = ()) -> list[int]:
        """The tokens of a text, or of two, within the template."""
        return [*self.before, *first, *self.between, *second, *self.after]

    def types_around(self, first: int, second: int = 0) -> list[int]:
        """The segment of each token, for texts of so many tokens."""
        before, one, between, two, after = self.types
        return [*before, *[one] * first, *between, *[two] * second, *after]


def room_for(max_tokens: int | None, taken: int) -> int | None:
    """Tokens of text that fit beside ``taken`` others; None: no limit.

    Raises:
        TokenizerError: Next to none.
    """
    if max_tokens is None:
        return None
    if max_tokens - taken < LEAST_ROOM:
        raise TokenizerError(
            "max_tokens is {max_tokens}, and {taken} of them are taken before the text begins; "
            "raise it.",
            max_tokens=max_tokens,
            taken=taken,
        )
    return max_tokens - taken
