"""Answers on their way out, as a guard lets them."""

from collections.abc import Sequence
from dataclasses import replace

from mason.security.guard import Guard, Held
from mason.serving.writing import Progress
from mason.text.chat import Message


class Watched:
    """Holds the answers of one request back until it is known that they may be said.

    Args:
        guard: What decides.
        read: Of each answer the conversation that it ends.
    """

    def __init__(self, guard: Guard, read: Sequence[Sequence[Message]]) -> None:
        self._held = [Held(guard, turns) for turns in read]

    def __call__(self, progress: Progress) -> Progress:
        """The same, its text later; nothing more of an answer that is withheld."""
        held = self._held[progress.number]
        if held.found:
            return Progress(progress.number)
        text = held.add(progress.text)
        if progress.finish is not None or held.found:
            text += held.rest()
        if held.found:
            return replace(progress, text=text, finish="content_filter")
        return replace(progress, text=text)
