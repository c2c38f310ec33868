"""Blocks by name: a spec's ``kind`` is a registered name or a class of one's own.

What a block of one's own must be (``T`` rows of all sequences, ``D`` the model's width):

- a norm is built as ``kind(spec, width)`` and called with rows [..., width];
- a feed-forward is built as ``kind(spec, width)`` and called with rows [T, D];
- an attention is built as ``kind(spec, width)``, with ``cross=True`` where it reads the
  encoder, and called as ``Attention.forward`` is; it may ignore what it does not need;
- an embedding is built as ``kind(spec, width)`` and called with ``(tokens, layout,
  token_types)``; its ``tokens`` is an ``nn.Embedding`` if a head is tied to it or an encoder
  and a decoder share it;
- an adapter is an ``Adapter``, built as ``kind(spec, held, rows)`` for the output rows of a
  linear map that it changes, and called with ``(x, held)``: what the map gives, changed.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

from mason.errors import SettingsError

Block = TypeVar("Block", bound=type)


class Registry:
    """Named classes of one kind of block, such as norms."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._classes: dict[str, type] = {}

    def register(self, name: str) -> Callable[[Block], Block]:
        """Class decorator: make the class known as ``name``.

        The same class again, as when a notebook's cell runs twice, replaces the first.

        Raises:
            SettingsError: Another class has this name.
        """

        def enter(block: Block) -> Block:
            known = self._classes.get(name, block)
            if (known.__module__, known.__qualname__) != (block.__module__, block.__qualname__):
                raise SettingsError(
                    "The {noun} block {name!r} is already registered, as {known}; choose another "
                    "name.",
                    noun=self.noun,
                    name=name,
                    known=f"{known.__module__}.{known.__qualname__}",
                )
            self._classes[name] = block
            return block

        return enter

    def build(self, kind: str | type, *args: Any, **kwargs: Any) -> Any:
        """Build the block: ``kind`` is a class, or the name of a registered one.

        Raises:
            SettingsError: No block has this name.
        """
        if isinstance(kind, type):
            return kind(*args, **kwargs)
        if kind not in self._classes:
            near = get_close_matches(kind, self._classes, n=1)
            raise SettingsError(
                "No {noun} block is called {name!r}{near}; choose one of {known}, or give a class "
                "of your own.",
                noun=self.noun,
                name=kind,
                known=", ".join(sorted(self._classes)),
                near=f" ({near[0]}?)" if near else "",
            )
        return self._classes[kind](*args, **kwargs)


attentions = Registry("attention")
norms = Registry("norm")
feed_forwards = Registry("feed-forward")
embeddings = Registry("embedding")
adapters = Registry("adapter")
