"""Answers that fit a JSON schema, a regular expression or a grammar.

A token that would break the constraint gets no weight. The library ``llguidance`` keeps, beside
each answer, how far a parser of the constraint has come (Earley's over derivatives of regular
expressions, so that no expression backtracks), and says which tokens may follow.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mason.errors import SettingsError, TokenizerError
from mason.text import Tokenizer

Kind = Literal["JSON schema", "regular expression", "grammar"]

_LONGEST = 200_000
"""Characters of a constraint: a grammar of this size takes about a second to compile."""
_LOWEST = -1e30
"""Lower than any score, but not minus infinity: what is allowed can always be chosen."""
_JSON_STYLE: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""As ``json.dumps`` writes it: free space would let a small model write blank lines for ever."""


@dataclass(frozen=True)
class Constraint:
    """What an answer has to be.

    Attributes:
        kind: How ``text`` is written.
        text: The JSON schema, the regular expression (Rust's syntax: no look-around, no
            back-references), or the grammar (Lark's syntax; it begins at ``start``).
    """

    kind: Kind
    text: str

    def __post_init__(self) -> None:
        """Refuse what takes too long to compile."""
        if len(self.text) > _LONGEST:
            raise SettingsError(
                "The {kind} has {length} characters; give one of {limit} or fewer.",
                kind=self.kind,
                length=len(self.text),
                limit=_LONGEST,
            )

    @classmethod
    def json_schema(cls, schema: str | Mapping[str, Any]) -> "Constraint":
        """JSON that a schema accepts, spaced as ``json.dumps`` does.

        Properties come in the schema's order. Bound strings, numbers and arrays
        (``maxLength``, ``maximum``, ``maxItems``), or an answer may not end before
        ``max_new_tokens``.
        """
        return cls("JSON schema", schema if isinstance(schema, str) else json.dumps(schema))

    @classmethod
    def regex(cls, expression: str) -> "Constraint":
        """Text that the whole of a regular expression matches."""
        return cls("regular expression", expression)

    @classmethod
    def grammar(cls, grammar: str) -> "Constraint":
        """Text that a context-free grammar produces."""
        return cls("grammar", grammar)


class Guide:
    """One answer's place in a constraint.

    Args:
        matcher: What llguidance knows of it.
        constraint: What it follows, for messages.
        num_tokens: Tokens that the model gives a score.
    """

    def __init__(self, matcher: Any, constraint: Constraint, num_tokens: int) -> None:
        self._matcher, self._constraint, self._num_tokens = matcher, constraint, num_tokens

    @property
    def ended(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())

    def copy(self) -> "Guide":
        """Another at the same place, which goes its own way."""
        return Guide(self._matcher.deep_copy(), self._constraint, self._num_tokens)

    def take(self, token: int) -> None:
        """Go on by a token that was allowed."""
        self._matcher.consume_token(token)
        self._check()

    def forced(self) -> list[int]:
        """The tokens to come as far as there is no choice, in their usual spelling."""
        found: list[int] = self._matcher.compute_ff_tokens()
        return found

    def allowed(self, draft: Sequence[int]) -> Bool[Tensor, "R V"]:
        """What may come next, and after each token of a draft; this guide stays where it is.

        After a token that may not come everything is allowed, for nothing after it is read.
        """
        masks = torch.ones(1 + len(draft), self._num_tokens, dtype=torch.bool)
        masks[0], taken = self._mask(), 0
        for row, token in enumerate(draft, start=1):
            if not self._matcher.try_consume_tokens([token]):
                break
            taken += 1
            if self.ended:
                break
            masks[row] = self._mask()
        if taken:
            self._matcher.rollback(taken)
        return masks

    def _mask(self) -> Bool[Tensor, "V"]:
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        mask = np.zeros(self._num_tokens, dtype=bool)
        known = np.unpackbits(bits, bitorder="little")[: self._num_tokens]
        mask[: len(known)] = known
        return torch.from_numpy(mask)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise _unfit(self._constraint, self._matcher.get_error())


def permitted(scores: Float[Tensor, "R V"], allowed: Bool[Tensor, "R V"]) -> Float[Tensor, "R V"]:
    """Scores with minus infinity for tokens that would break the constraint."""
    return scores.clamp(min=_LOWEST).masked_fill(~allowed.to(scores.device), -torch.inf)


def start_guide(
    constraint: Constraint, tokenizer: Tokenizer, stops: Collection[int], num_tokens: int, room: int
) -> Guide:
    """Where every answer under a constraint begins.

    Args:
        constraint: What answers have to be.
        tokenizer: What spells them.
        stops: Tokens that end them.
        num_tokens: Tokens that the model gives a score.
        room: Most tokens of an answer.

    Raises:
        SettingsError: llguidance is not installed, or no answer can fit the constraint.
        TokenizerError: llguidance cannot read the tokenizer.
    """
    if not stops:
        raise SettingsError(
            "A constrained answer ends at a stop token where it may; leave stop_tokens out, or "
            "name one."
        )
    matcher = _matcher(constraint, _tokens(tokenizer, tuple(sorted(stops))))
    guide = Guide(matcher, constraint, num_tokens)
    if not guide.allowed(()).any() or (guide.ended and not matcher.is_accepting()):
        raise _unfit(constraint, "nothing fits it")
    if (least := len(guide.forced())) > room:
        raise SettingsError(
            "Every answer that fits the {kind} has {least} tokens or more, but {room} are "
            "allowed; raise max_new_tokens.",
            kind=constraint.kind,
            least=least,
            room=room,
        )
    return guide


def _matcher(constraint: Constraint, tokens: Any) -> Any:
    from llguidance import LLMatcher

    try:
        if constraint.kind == "JSON schema":
            grammar = LLMatcher.grammar_from_json_schema(constraint.text, defaults=_JSON_STYLE)
        elif constraint.kind == "regular expression":
            grammar = LLMatcher.grammar_from_regex(constraint.text)
        else:
            grammar = LLMatcher.grammar_from_lark(constraint.text)
    except ValueError as error:
        raise _unfit(constraint, str(error)) from None
    matcher = LLMatcher(tokens, grammar, log_level=0)
    if matcher.is_error():
        raise _unfit(constraint, matcher.get_error())
    return matcher


_known: WeakKeyDictionary[Tokenizer, dict[tuple[int, ...], Any]] = WeakKeyDictionary()


def _tokens(tokenizer: Tokenizer, stops: tuple[int, ...]) -> Any:
    """The vocabulary as llguidance has it, made once: it takes about two seconds."""
    try:
        from llguidance import LLTokenizer
    except ModuleNotFoundError:
        raise SettingsError(
            'Constrained answers need llguidance: pip install "mason-lm[constrained]".'
        ) from None
    found = _known.setdefault(tokenizer, {})
    if stops not in found:
        try:
            found[stops] = LLTokenizer(json.dumps(tokenizer.rules), eos_token=list(stops))
        except ValueError as error:
            raise TokenizerError(
                "Answers of this model cannot be constrained: llguidance cannot read its "
                "tokenizer ({reason}).",
                reason=_first(str(error)),
            ) from None
    return found[stops]


def _unfit(constraint: Constraint, reason: str) -> SettingsError:
    return SettingsError(
        "The {kind} cannot be followed: {reason}.", kind=constraint.kind, reason=_first(reason)
    )


_PLACE = re.compile(r"^at \d+\(\d+\): |^\d+\(\d+\): ")
_REASON = 160
"""Characters of a reason; llguidance appends its state and the whole grammar."""


def _first(reason: str) -> str:
    """What a message of llguidance says in one line."""
    if reason.startswith("NoExtension"):
        return "nothing fits it"
    lines = [line for line in reason.splitlines() if line.startswith("error: ")] or [reason]
    line = _PLACE.sub("", lines[0].removeprefix("error: ").splitlines()[0])
    return line.strip().rstrip(".")[:_REASON]
