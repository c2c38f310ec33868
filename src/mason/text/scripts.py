"""A conversation as tokens, and which of them are learned.

What is learned must be what is asked later: up to each answer the tokens are those that
``chat_ids(…, answer=True)`` gives when the answer is asked for, and the token that ends the
model's turn is learned with it, or it would never stop. Both are looked at for every
conversation, by rendering it turn by turn, for a template is a program and may do anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mason.errors import DataError
from mason.text.chat import Message, chat_text, marked_spans
from mason.text.tokenizers import Tokenizer

LossOn = Literal["answers", "last", "everything"]
"""The assistant's answers, the last answer alone, or every token."""


@dataclass(frozen=True)
class Script:
    """A conversation.

    Attributes:
        ids: Its tokens, up to the last answer that is learned.
        learned: For each token, whether it is a target.
        answers: First token of each answer that is learned, and last + 1.
        closed: Whether each of them ends with a token that ends a turn.
    """

    ids: list[int]
    learned: list[bool]
    answers: list[tuple[int, int]]
    closed: bool

    def cut(self, most: int) -> "Script | None":
        """Up to the last answer that ends within ``most`` tokens; None: none does."""
        kept = [answer for answer in self.answers if answer[1] <= most]
        if not kept:
            return None
        end = len(self.ids) if len(self.ids) <= most else kept[-1][1]
        return Script(self.ids[:end], self.learned[:end], kept, self.closed)


class _Turn(NamedTuple):
    """An answer: what is served for it, and the conversation up to its end."""

    number: int
    served: str
    through: str


def script_of(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    ends: Collection[int],
    loss_on: LossOn = "answers",
) -> Script:
    """A conversation's tokens by the tokenizer's template, with what is learned of them.

    An answer that nothing was said before is no target: it cannot be asked for. Nor is one whose
    message has ``weight`` 0, as OpenAI's files mark them.

    Args:
        tokenizer: Its files hold the template.
        messages: Who said what.
        ends: Tokens that end a turn.
        loss_on: What is learned.

    Raises:
        DataError: There is no answer to learn, or the template writes a conversation otherwise
            than it is served.
        MasonError: As for ``chat_text``.
    """
    numbers = [
        i
        for i, said in enumerate(messages)
        if said["role"] == "assistant" and i and said.get("weight") != 0
    ]
    if not numbers:
        raise DataError("Nobody answers in this conversation, so there is nothing to learn.")
    asked = numbers[-1:] if loss_on == "last" else numbers
    told = messages if loss_on == "everything" else messages[: asked[-1] + 1]
    whole = chat_text(tokenizer, told, answer=False)
    turns = [
        _Turn(
            number,
            chat_text(tokenizer, messages[:number]),
            chat_text(tokenizer, messages[: number + 1], answer=False),
        )
        for number in asked
    ]
    texts = [whole, *(text for turn in turns for text in turn[1:])]
    ids, *parts = tokenizer.encode_ids(texts, special=False, parse_special=True)
    _check_served(ids, parts, turns)
    spans = [(len(a), len(b)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    marked = _marked(tokenizer, told, whole)
    return _learning(ids, spans, marked, ends, everything=loss_on == "everything")


def _check_served(ids: list[int], parts: list[list[int]], turns: Sequence[_Turn]) -> None:
    for number, part in enumerate(parts):
        if ids[: len(part)] != part:
            raise DataError(
                "The model's chat template writes this conversation otherwise than it is served "
                "when turn {turn} is asked for, so the model would learn what it is never asked; "
                "learn the last answer alone with --training.loss-on last, or choose another "
                "model.",
                turn=turns[number // 2].number + 1,
            )


def _marked(tokenizer: Tokenizer, messages: Sequence[Message], whole: str) -> list[bool] | None:
    """For each token, whether the template marks it as the model's own; None: it marks none."""
    spans = marked_spans(tokenizer, messages)
    if spans is None:
        return None
    (found,) = tokenizer.encode([whole], special=False, parse_special=True)
    # A token of white space alone may have no characters of its own.
    return [any(a <= begin <= end <= b for a, b in spans) for begin, end in found.spans]


def _learning(
    ids: list[int],
    spans: Sequence[tuple[int, int]],
    marked: list[bool] | None,
    ends: Collection[int],
    *,
    everything: bool,
) -> Script:
    learned = [everything and place > 0 for place in range(len(ids))]
    answers, closed = [], True
    for begin, through in spans:
        own = [at for at in range(begin, through) if marked is None or marked[at]]
        last = next((at for at in reversed(own) if ids[at] in ends), None)
        # What follows the end of a turn belongs to the next one: the model has stopped by then.
        own = own if last is None else [at for at in own if at <= last]
        closed = closed and last is not None
        for at in own:
            learned[at] = True
        answers.append((begin, (own[-1] if own else begin) + 1))
    if not everything:
        ids, learned = ids[: answers[-1][1]], learned[: answers[-1][1]]
    return Script(ids, learned, answers, closed)
