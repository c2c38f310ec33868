"""One answer in the making, and what comes out of it."""

import hashlib
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool
from torch import Tensor

from mason.generation.choosing import Context
from mason.generation.constraints import Guide
from mason.generation.sampling import Sampling
from mason.text.streaming import TextStream

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Generated:
    """An answer.

    Attributes:
        tokens: What was added to the prompt; the token it stopped at is the last.
        log_probabilities: The model's own log-probability of each, before any setting.
        score: Their sum; with beams, what beams are compared by.
        finish: Whether it stopped of itself or at the most tokens allowed.
        text: What the tokens spell, up to the stop text; empty without a tokenizer.
        others: The next best answers, where several were asked for.
    """

    tokens: list[int]
    log_probabilities: list[float]
    score: float
    finish: Finish
    text: str = ""
    others: tuple["Generated", ...] = ()


class Line:
    """One answer as it grows.

    Args:
        prompt: Number of the prompt.
        given: What the decoder reads before the first new token.
        sampling: The settings.
        stops: Tokens that end it.
        random: Where its numbers come from.
        stream: What spells it; None: nobody asked for text.
        guide: Its own place in a constraint, where there is one.
    """

    def __init__(
        self,
        prompt: int,
        given: Sequence[int],
        sampling: Sampling,
        stops: Collection[int],
        random: random.Random,
        stream: TextStream | None,
        guide: Guide | None = None,
    ) -> None:
        self.prompt, self.tokens, self.num_given = prompt, list(given), len(given)
        self.log_probabilities: list[float] = []
        self.finish: Finish | None = None
        self.text, self.draft = "", list[int]()
        self._sampling, self._stops, self._stream, self._guide = sampling, stops, stream, guide
        self._random, self._numbers = random, list[float]()
        self._shown = 0

    @property
    def new(self) -> list[int]:
        """The new tokens."""
        return self.tokens[self.num_given :]

    @property
    def room(self) -> int:
        """Tokens that may still come."""
        return self._sampling.max_new_tokens - len(self.log_probabilities)

    def contexts(self) -> list[Context]:
        """What stands before the next token, and before each that follows the draft."""
        ends = range(len(self.draft) + 1)
        return [Context([*self.tokens, *self.draft[:end]], self.num_given) for end in ends]

    def numbers(self) -> list[float]:
        """The numbers in [0, 1) that decide the next token and those after the draft.

        One belongs to each place, so that drafts change nothing.
        """
        start = len(self.log_probabilities)
        while len(self._numbers) <= start + len(self.draft):
            self._numbers.append(self._random.random())
        return self._numbers[start : start + len(self.draft) + 1]

    def allowed(self) -> Bool[Tensor, "R V"]:
        """What its constraint lets come next, and after each token of the draft."""
        assert self._guide is not None, "there is no constraint"
        return self._guide.allowed(self.draft)

    def expect(self, guess: Sequence[int]) -> None:
        """Take a draft: what the constraint leaves no choice of, or else the guess."""
        forced = [] if self._guide is None else self._guide.forced()
        self.draft = list(forced or guess)[: self.room - 1]

    def accept(self, tokens: Sequence[int], log_probabilities: Sequence[float]) -> None:
        """Take the token chosen, then those after the draft as long as the draft was right."""
        guesses = [*self.draft, None]
        for token, likely, guess in zip(tokens, log_probabilities, guesses, strict=True):
            self._add(token, likely)
            if self.finish is not None or token != guess:
                return

    def _add(self, token: int, log_probability: float) -> None:
        self.tokens.append(token)
        self.log_probabilities.append(log_probability)
        if token in self._stops or self._completes(token):
            self.finish = "stop"
        elif not self.room:
            self.finish = "length"
        if self._stream is not None:
            stopped = self._spell(self._stream.add(token))
            if self.finish is not None and not stopped:
                self._spell(self._stream.end())

    def _completes(self, token: int) -> bool:
        """Whether a constraint lets nothing follow the token."""
        if self._guide is None:
            return False
        self._guide.take(token)
        return self._guide.ended

    def _spell(self, fresh: str) -> bool:
        """Take new text up to a stop text; give whether there was one."""
        longest = max(map(len, self._sampling.stop), default=0)
        start = max(0, len(self.text) - longest + 1)
        self.text += fresh
        found = [at for stop in self._sampling.stop if (at := self.text.find(stop, start)) >= 0]
        if found:
            self.text, self.finish = self.text[: min(found)], "stop"
        return bool(found)

    def show(self) -> str:
        """The text that is new since the last call and cannot become part of a stop text."""
        end = len(self.text)
        if self.finish is None:
            end -= max((_overlap(self.text, stop) for stop in self._sampling.stop), default=0)
        shown, self._shown = self.text[self._shown : end], max(end, self._shown)
        return shown

    def result(self) -> Generated:
        """What has come of it."""
        assert self.finish is not None, "it still goes on"
        likely = self.log_probabilities
        return Generated(self.new, likely, sum(likely), self.finish, self.text)


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of the text that begin the stop text."""
    sizes = range(min(len(text), len(stop) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


def answers_before(prompts: Sequence[Sequence[int]], each: int) -> list[int]:
    """Before each prompt, how many answers equal ones have, so that no two draw the same numbers.

    Args:
        prompts: In their order.
        each: Answers of each.
    """
    seen, before = Counter[tuple[int, ...]](), []
    for prompt in map(tuple, prompts):
        before.append(seen[prompt])
        seen[prompt] += each
    return before


def numbers_of(prompt: Sequence[int], number: int, seed: int) -> random.Random:
    """Where a prompt's answer has its random numbers from, whoever is beside it."""
    name = f"{seed} {number} {' '.join(map(str, prompt))}"
    return random.Random(hashlib.blake2b(name.encode(), digest_size=16).digest())
