"""The tokens of fill-in-the-middle: prefix and suffix are read, the middle is written.

Bavarian et al. 2022, in the order prefix, suffix, middle.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mason.errors import TokenizerError
from mason.text.tokenizers import Tokenizer

NAMES = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
"""What Mason's own tokenizers call them."""
_KNOWN = (
    NAMES,
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
)


class InfillTokens(NamedTuple):
    """Ids of the three tokens."""

    prefix: int
    suffix: int
    middle: int

    def around(self, before: Sequence[int], after: Sequence[int]) -> list[int]:
        """PREFIX before SUFFIX after MIDDLE: what the middle's first token follows."""
        return [self.prefix, *before, self.suffix, *after, self.middle]


def find_infill(tokenizer: Tokenizer) -> InfillTokens | None:
    """The tokenizer's three tokens, by the names models give them; None: it has none."""
    for names in _KNOWN:
        first, second, third = (tokenizer.token_id(name) for name in names)
        if first is not None and second is not None and third is not None:
            return InfillTokens(first, second, third)
    return None


def infill_ids(tokenizer: Tokenizer, before: str, after: str) -> list[int]:
    """A text with a gap as a model reads it that knows fill-in-the-middle.

    Args:
        tokenizer: The model's.
        before: The text up to the gap.
        after: The text behind it.

    Raises:
        TokenizerError: The tokenizer has no such tokens.
    """
    marks = find_infill(tokenizer)
    if marks is None:
        raise TokenizerError(
            "This model does not know fill-in-the-middle: its tokenizer has no tokens such as "
            "{name}; leave the suffix out, or choose a model trained for it.",
            name=NAMES[0],
        )
    parts = tokenizer.encode_ids([before, after], special=False)
    return [*opening(tokenizer), *marks.around(*parts)]


def opening(tokenizer: Tokenizer) -> list[int]:
    """The tokens that the template puts before a text."""
    (empty,), (plain,) = tokenizer.encode_ids([""]), tokenizer.encode_ids(["a"])
    same = zip(empty, plain, strict=False)
    found = next((i for i, (a, b) in enumerate(same) if a != b), len(empty))
    return plain[:found] if len(plain) > found else []
