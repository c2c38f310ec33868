"""A model that answers in a conversation, as a user holds it while it is tuned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mason.data.turns import Turn
from mason.errors import DataError
from mason.generation import Sampling
from mason.generation.decoding import num_virtual
from mason.tasks.dialogue import Conversations, Told
from mason.text.chat import chat_ids
from mason.text.scripts import LossOn, Script, script_of
from mason.workflows.writer import Writer

_LONGEST = 96
"""Most tokens of an answer that is written to be looked at."""


@dataclass(frozen=True)
class Sighted:
    """A conversation with where it stands: file and row, for errors."""

    file: object
    row: int
    turns: Sequence[Turn]


@dataclass(frozen=True)
class Before:
    """What a model said before it was tuned.

    Attributes:
        told: Of the rows it is measured on; None: there are none.
        replies: Its answers to the first of them.
        num_learned: Tokens that were learned since.
    """

    told: Told | None
    replies: list[str] = field(default_factory=list)
    num_learned: int = 0


@dataclass
class Talker(Writer):
    """A chat model.

    Attributes:
        loss_on: What is learned of a conversation, and measured.
        before: What it said before training; not kept with the model.
    """

    task: ClassVar[str] = "dialogue"

    loss_on: LossOn = "answers"
    before: Before | None = None

    def script(self, given: Sighted) -> Script:
        """A conversation as it is read, whole.

        Raises:
            DataError: It cannot be learned from; the sentence names file and row.
        """
        try:
            return script_of(
                self.tokenizer, given.turns, ends=self.end_tokens, loss_on=self.loss_on
            )
        except DataError as error:
            raise DataError(
                "{file}, row {row}: {reason}", file=given.file, row=given.row, reason=str(error)
            ) from None

    def encode(self, given: Sequence[Sighted]) -> Conversations:
        """Conversations as the network learns them: whole answers, as many as fit.

        Raises:
            DataError: The first answer of one does not fit, or the end of a turn is never learned.
        """
        found, whole = [], []
        for one in given:
            script = self.script(one)
            if not script.closed:
                raise never_closed(one.file, one.row)
            cut = script if self.max_tokens is None else script.cut(self.max_tokens)
            if cut is None:
                raise DataError(
                    "{file}, row {row}: the first answer that is learned ends at token {end}, and "
                    "the model reads {limit}; raise --model.max-tokens, or shorten the turn.",
                    file=one.file,
                    row=one.row,
                    end=script.answers[0][1],
                    limit=self.max_tokens,
                )
            found.append(cut)
            whole.append(len(script.ids))
        return Conversations(
            [script.ids for script in found],
            [[*map(int, script.learned)] for script in found],
            [script.answers[-1][0] for script in found],
            whole,
        )

    def replies(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        """The likeliest answers to prompts that the template has made, all at once."""
        longest = max(map(len, prompts), default=0)
        longest += num_virtual(self.network)
        room = (self.network.spec.max_tokens or longest + _LONGEST) - longest
        sampling = Sampling(max_new_tokens=max(1, min(_LONGEST, room)))
        return [found.text for found in self._write([*map(list, prompts)], sampling, None)]

    def last_replies(self, examples: Conversations, places: Iterable[int]) -> list[str]:
        """What it says where the examples at these places have their last answers."""
        return self.replies([examples.tokens[i][: examples.last[i]] for i in places])

    def predict(self, *given: Any, **options: Any) -> Any:
        """The answer to a conversation, a list of turns, or to each of a list of them."""
        (conversations,) = given
        alone = not conversations or "role" in conversations[0]
        asked = [conversations] if alone else conversations
        found = self.replies([chat_ids(self.tokenizer, turns) for turns in asked])
        return found[0] if alone else found

    def facts(self) -> dict[str, Any]:
        """What it was measured on."""
        return {**super().facts(), "loss_on": self.loss_on}


def spread(num: int, most: int = 5) -> range:
    """At most so many of ``num`` places, from the first to the end: neighbours are alike."""
    return range(0, num, max(1, -(-num // most)))


def never_closed(file: object, row: int) -> DataError:
    """What to raise where the token that ends the model's turn is not learned."""
    return DataError(
        "{file}, row {row}: the end-of-turn token is never trained, so the model would never "
        "stop; its chat template leaves it out of the assistant's turn, or ends the turn with "
        "another token than eos_token in tokenizer_config.json.",
        file=file,
        row=row,
    )
