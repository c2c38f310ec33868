"""The model as the server holds it: what it can do, and the routes that follow from that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mason.models.transformer import Transformer
from mason.security.guard import Guard
from mason.text import Tokenizer

Item = tuple[str, str | None]
"""A text, perhaps with a second one."""
Does = Literal["embeddings", "classify", "tag", "answer", "translate"]


@dataclass(frozen=True)
class Writing:
    """A model that writes.

    Attributes:
        network: A lone decoder.
        tokenizer: Its own; with a chat template it also talks.
        ends: Tokens that end an answer.
        encode: A text, and what follows a gap, as the network reads it.
        guard: Looks at what is asked and said; None: nobody does.
    """

    network: Transformer
    tokenizer: Tokenizer
    ends: tuple[int, ...]
    encode: Callable[[str, str | None], list[int]]
    guard: Guard | None = None

    @property
    def talks(self) -> bool:
        """Whether it answers in a conversation."""
        return self.tokenizer.chat_template is not None


@dataclass(frozen=True)
class Reading:
    """A model that says something of each text.

    Attributes:
        does: Its route.
        answers: What it says of each item, as JSON has it.
        lengths: Tokens of each item.
        max_tokens: Most tokens of an item; None: any.
        activate: Puts an adapter in force, or none.
    """

    does: Does
    answers: Callable[[Sequence[Item]], list[dict[str, Any]]]
    lengths: Callable[[Sequence[Item]], list[int]]
    max_tokens: int | None
    activate: Callable[[str | None], None] = lambda name: None


@dataclass(frozen=True)
class Served:
    """A model under the names that requests call it by.

    Attributes:
        name: Of the model as it was loaded.
        model: What it does.
        adapters: What is in force where a request calls a name; of ``name``, what was from the
            beginning.
    """

    name: str
    model: Writing | Reading
    adapters: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called by, its own first."""
        return self.name, *(name for name in self.adapters if name != self.name)
