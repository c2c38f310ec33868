"""Models that write code, as a user holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar, overload

import torch
from torch import Tensor

from mason.models.vocabulary import with_vocabulary
from mason.tasks.text_to_text import Exchanges
from mason.text.infilling import NAMES, find_infill, infill_ids, opening
from mason.text.vocabulary import with_special
from mason.workflows.rewriter import Completer, Rewriter, Source


@dataclass
class CodeTranslator(Rewriter):
    """Writes a program in another language."""

    task: ClassVar[str] = "code-translation"
    DRAFTS: ClassVar[int] = 8
    """Most of a translation stands in the source already."""


@dataclass
class CodeCompleter(Completer):
    """Goes on with a program, or fills a gap in it."""

    task: ClassVar[str] = "code-completion"
    DRAFTS: ClassVar[int] = 4

    def around(self, texts: Sequence[str], suffixes: Sequence[str]) -> list[list[int]]:
        """Programs up to a gap, and what follows, as the network reads them.

        Those that nothing follows are read as prompts. What is too long loses what is farthest
        from the gap, a quarter of the room being kept for the suffix.

        Raises:
            TokenizerError: Something follows, and there are no tokens that say so.
        """
        return [source.ids for source in self.sources_around(texts, suffixes)]

    def sources_around(self, texts: Sequence[str], suffixes: Sequence[str]) -> list[Source]:
        """The same, each with whether it was cut."""
        found = self.sources(texts)
        gaps = [i for i, suffix in enumerate(suffixes) if suffix]
        if not gaps:
            return found
        marks, first = find_infill(self.tokenizer), opening(self.tokenizer)
        if marks is None:
            infill_ids(self.tokenizer, "", "")  # says what is missing
        assert marks is not None
        sides = zip(
            *(
                self.tokenizer.encode_ids([side[i] for i in gaps], special=False)
                for side in (texts, suffixes)
            ),
            strict=True,
        )
        last, cut = [self.end] if self.encodes else [], False
        for place, (before, after) in zip(gaps, sides, strict=True):
            if self.max_tokens is not None:
                written = 0 if self.encodes else self.max_new_tokens
                room = max(4, self.max_tokens - written - len(first) - len(last) - 3)
                cut = len(before) + len(after) > room
                after = after[: max(room // 4, room - len(before))]
                before = before[-max(1, room - len(after)) :]
            found[place] = Source([*first, *marks.around(before, after), *last], cut)
        return found

    def exchanges(
        self, texts: Sequence[str], targets: Sequence[str], suffixes: Sequence[str] = ()
    ) -> Exchanges:
        """Programs up to a gap, what follows it, and what to write."""
        return self.exchanged(self.sources_around(texts, suffixes), targets)

    @overload
    def predict(self, texts: str, suffixes: str = ...) -> str: ...

    @overload
    def predict(self, texts: list[str], suffixes: list[str] = ...) -> list[str]: ...

    def predict(self, texts: str | list[str], suffixes: str | list[str] = "") -> str | list[str]:
        """What it writes after a text, and before a suffix where there is one."""
        if isinstance(texts, str):
            return self.answers(self.around([texts], [str(suffixes)]))[0]
        return self.answers(self.around(texts, suffixes or [""] * len(texts)))


C = TypeVar("C", bound=CodeCompleter)


def with_infill(model: C) -> C:
    """The model with tokens for fill-in-the-middle; each begins as the mean of its name's pieces.

    One that has them is given back as it is.
    """
    if find_infill(model.tokenizer) is not None:
        return model
    pieces = model.tokenizer.encode_ids(NAMES, special=False)
    longer, first = with_special(model.tokenizer, NAMES), model.tokenizer.num_tokens
    total = max(model.network.spec.vocab_size, longer.num_tokens)

    def rows(old: Tensor) -> Tensor:
        means = torch.stack([old[ids].mean(0) for ids in pieces])
        return torch.cat([old[:first], means, old[first + len(means) :]])

    network = with_vocabulary(model.network, total, rows)
    return replace(model, network=network, tokenizer=longer)
