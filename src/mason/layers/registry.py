"""Blocks by name: a spec's ``kind`` is a registered name or a class."""

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
        """Class decorator: make the class known as ``name``."""

        def enter(block: Block) -> Block:
            assert name not in self._classes, f"{self.noun} {name!r} is registered twice"
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
                "No {noun} block is called {name!r}; the registered ones are {known}{near}.",
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
