"""Text from tokens that come one by one: never half a character."""

from collections.abc import Sequence

from mason.text.tokenizers import Tokenizer

_CONTEXT = 6
"""Tokens before the first that decide how it is spelled: whether it begins with a space."""
_HALF = "\ufffd"
"""What the bytes of an unfinished character decode to."""


class TextStream:
    """The text that tokens spell, as far as it is certain.

    A character may be spread over several tokens, so the bytes at the end wait for the rest
    of theirs. The pieces joined are what ``tokenizer.decode`` gives for all tokens at once.

    Args:
        tokenizer: What spells the tokens; special ones spell nothing.
        before: Tokens that the text goes on from.
    """

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._window = list(before[-_CONTEXT:])
        """The tokens that are decoded together: some that are told, then those that are not."""
        self._told = len(self._decoded())
        """Characters of the window that were given out."""

    def add(self, token: int) -> str:
        """The text that is certain now and was not before."""
        self._window.append(token)
        decoded = self._decoded()
        certain = decoded.rstrip(_HALF)
        fresh = certain[self._told :]
        self._told = max(self._told, len(certain))
        if len(certain) == len(decoded):
            self._slide()
        return fresh

    def end(self) -> str:
        """What is left when no more tokens come: characters that were never finished."""
        decoded = self._decoded()
        rest, self._told = decoded[self._told :], len(decoded)
        return rest

    def _slide(self) -> None:
        """Let go of the tokens before the last that was told, so that a step stays short."""
        if len(self._window) > 2 * _CONTEXT:
            del self._window[:-_CONTEXT]
            self._told = len(self._decoded())

    def _decoded(self) -> str:
        return self._tokenizer.decode(self._window)
