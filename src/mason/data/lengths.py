"""Texts too long for the model, and texts of which no token is left."""

from collections.abc import Callable, Iterator, Sequence

from mason.data.findings import Finding
from mason.data.views import View
from mason.language import say

NOTABLE_SHARE = 0.01
"""The share of tokens, or of rows, that may be cut before it is a warning."""


def check_lengths(
    view: View, token_counts: Callable[[Sequence[str]], Sequence[int]], max_tokens: int
) -> Iterator[Finding]:
    """How many rows, and what share of all tokens, do not fit.

    Args:
        view: the split.
        token_counts: the number of tokens of each text, before cutting.
        max_tokens: how many of a text's tokens the model sees.
    """
    present = [i for i, text in enumerate(view.texts) if text]
    counts = [int(n) for n in token_counts([view.texts[i] for i in present])]
    empty = [i for i, n in zip(present, counts, strict=True) if n == 0]
    if empty:
        yield view.finding(
            "no-tokens",
            "warning",
            empty,
            reason=say("Texts of which the tokenizer leaves nothing: {count}.", count=len(empty)),
            fix=say("Delete these rows, or use a tokenizer that knows their characters."),
        )
    long = [i for i, n in zip(present, counts, strict=True) if n > max_tokens]
    if long:
        cut = sum(max(0, n - max_tokens) for n in counts) / sum(counts)
        yield view.finding(
            "too-long",
            "warning" if cut > NOTABLE_SHARE else "note",
            long,
            reason=say(
                "Texts longer than {limit} tokens: {count}, {rows:.1%} of the rows; {cut:.1%} of "
                "all tokens are cut off.",
                limit=max_tokens,
                count=len(long),
                rows=len(long) / len(view.texts),
                cut=cut,
            ),
            fix=say(
                "Raise the maximum length, up to {longest}, choose a model that reads more, or "
                "shorten the texts.",
                longest=max(counts),
            ),
        )
