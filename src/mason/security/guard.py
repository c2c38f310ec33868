"""A guard around a chat model: what it is asked is scanned, and what it says is held back.

It works by rules that can be read, not by another model: orders against the owner's orders
(``mason.security.orders``) do not reach the model, and neither the owner's own words nor
personal data that nobody mentioned leave it. What it costs honest users, and what gets past it,
``mason harden`` measures.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mason.data.personal import find_personal, personal_names
from mason.language import say
from mason.security.orders import find_order
from mason.security.views import views

GUARD = "guard-1"
"""The guard of this version; a model keeps the name of the one it was measured with."""

Turns = Sequence[Mapping[str, Any]]

_RUN = 8
"""Words, or Chinese characters, of the owner's orders in a row that are not said."""
_HELD = 160
"""Characters of an answer that wait until those after them are known: a code may be longer in
Base64, and a run of words has an end."""
_WINDOW = 4_000
"""Characters of an answer that are looked at while more of it comes; all of it at its end."""
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_]+(?:[-'][^\W_]+)*")
_CODE = re.compile(
    r"(?=[\w-]*\d)[\w-]{4,}|(?<=[\"“「『'])[^\"”」』']{4,40}(?=[\"”」』'])", re.ASCII
)
"""What is meant by a secret of the orders: what has a digit, or stands in quotes."""
_DISCREET = re.compile(
    r"\bsecret|\bconfidential"
    r"|\b(?:never|not|nobody|no one)\b.{0,60}\b(?:tell|reveal|share|say|give|show)"
    r"|\b(?:tell|reveal|share|say|give|show)\b.{0,20}\b(?:nobody|no one)\b|保密|秘密|机密|"
    r"(?:不要|不得|不能|不可|别|不许|切勿).{0,12}(?:说|告诉|透露|泄露|公开)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Found:
    """Why the guard steps in.

    Attributes:
        kind: A kind of ``mason.security.orders.Order`` or of ``find_personal``, or ``orders``
            (the owner's words) or ``secret`` (a code among them).
        quote: The words; of what is said, none.
    """

    kind: str
    quote: str = ""

    def __str__(self) -> str:
        if self.quote:
            return say(
                "The guard did not pass this on: “{quote}” reads as an order against the model's "
                "own orders.",
                quote=self.quote,
            )
        names = personal_names() | {"orders": say("the orders it was given")}
        what = (names | {"secret": say("a secret it was given")})[self.kind]
        return say("The guard withheld this answer, for it holds {what}.", what=what)


class Guard:
    """Rules for a conversation with a chat model; see this module."""

    def asked(self, turns: Turns) -> Found | None:
        """An order against the owner's in what is not the owner's: all but the system's turns."""
        for turn in turns:
            if turn["role"] in ("system", "developer"):
                continue
            if order := find_order(_said(turn)):
                return Found(order.kind, order.quote)
        return None

    def said(self, answer: str, turns: Turns) -> Found | None:
        """What must not be said in an answer to ``turns``."""
        own = " ".join(_said(t) for t in turns if t["role"] in ("system", "developer"))
        others = " ".join(_said(t) for t in turns if t["role"] not in ("system", "developer"))
        for view in views(answer):
            if own and (found := _given_away(view, own, others)):
                return found
        known = f"{own} {others}"
        for kind, value in find_personal(answer):
            if value not in known:
                return Found(kind)
        return None

    def passed(self, pieces: Iterable[str], turns: Turns) -> Iterator[str]:
        """Pieces of an answer, a little later; from where something must not be said, why not."""
        held = Held(self, turns)
        for piece in pieces:
            if text := held.add(piece):
                yield text
            if held.found:
                break
        yield held.rest()


class Held:
    """An answer on its way out, whose end waits until what follows is known."""

    def __init__(self, guard: Guard, turns: Turns) -> None:
        self._guard, self._turns = guard, turns
        self._text, self._out, self._looked = "", 0, 0
        self.found: Found | None = None

    def add(self, piece: str) -> str:
        """What may be shown now that ``piece`` has come."""
        self._text += piece
        if len(self._text) - self._looked < _HELD // 4:
            return ""
        self._look(self._text[-_WINDOW:])
        return "" if self.found else self._until(len(self._text) - _HELD)

    def rest(self) -> str:
        """What is left once all has come: the rest of the answer, or why it is withheld."""
        if self.found is None:
            self._look(self._text)
        if self.found is None:
            return self._until(len(self._text))
        return ("\n" if self._out else "") + str(self.found)

    def _look(self, text: str) -> None:
        self._looked = len(self._text)
        self.found = self._guard.said(text, self._turns)

    def _until(self, end: int) -> str:
        start, self._out = self._out, max(self._out, end)
        return self._text[start : self._out]


def _said(turn: Mapping[str, Any]) -> str:
    return str(turn.get("content") or "")


def _given_away(answer: str, own: str, others: str) -> Found | None:
    """Whether an answer says the owner's orders, or a code among them, unless the user did."""
    told, asked = _words(answer), " ".join(_words(others))
    runs = {tuple(told[i : i + _RUN]) for i in range(len(told) - _RUN + 1)}
    words = _words(own)
    for i in range(len(words) - _RUN + 1):
        run = tuple(words[i : i + _RUN])
        if run in runs and " ".join(run) not in asked:
            return Found("orders")
    if _DISCREET.search(own):
        shut = "".join(c for c in answer if c.isalnum())
        for code in _CODE.findall(own):
            plain = "".join(c for c in code.casefold() if c.isalnum())
            if plain in shut and code.casefold() not in others.casefold():
                return Found("secret")
    return None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
