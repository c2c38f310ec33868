"""Personal data and secrets among training texts, which a model may learn by heart."""

import re
from collections import Counter
from collections.abc import Iterator

from mason.data.findings import Finding
from mason.data.views import View
from mason.language import say

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,4}[A-Za-z]{2,24}\b")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|1[3-9]\d{9})(?![\w-]|\.\d)"
)
_CARD = re.compile(r"(?<![\d.-])(?:\d[ -]?){12,18}\d(?![\d-])")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bsk-[A-Za-z0-9_-]{20,}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}\b|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|(?i:\b(?:password|passwd|api[_-]?key|secret)\s*[:=]\s*['\"]?[^\s'\"]{8,})"
)


def kinds_in(text: str) -> list[str]:
    """What ``text`` holds: "email", "phone", "card", "key", each once."""
    found = []
    if "@" in text and _EMAIL.search(text):
        found.append("email")
    if _has_digits(text):
        cards = [match.group() for match in _CARD.finditer(text) if _is_card(match.group())]
        found += ["card"] if cards else []
        rest = text
        for card in cards:
            rest = rest.replace(card, " ")
        found += ["phone"] if _PHONE.search(rest) else []
    if _KEY.search(text):
        found.append("key")
    return found


def check_personal(view: View) -> Iterator[Finding]:
    """Texts with e-mail addresses, telephone numbers, card numbers, or keys and passwords."""
    kinds = [kinds_in(text) if text else [] for text in view.texts]
    places = [place for place, found in enumerate(kinds) if found]
    if not places:
        return
    counts = Counter(kind for found in kinds for kind in found)
    names = _names()
    told = ", ".join(f"{names[kind]} {count:,}" for kind, count in counts.most_common())
    yield view.finding(
        "personal-data",
        "warning" if counts["key"] or counts["card"] else "note",
        places,
        reason=say("Texts that look as if they held personal data or secrets: {told}.", told=told),
        fix=say(
            "Delete or replace them, above all keys and card numbers: a model may learn by heart "
            "what it reads, and say it to others."
        ),
    )


def _has_digits(text: str) -> bool:
    return sum(character.isdigit() for character in text) >= 10


def _is_card(number: str) -> bool:
    """Whether the digits pass Luhn's check and begin as cards do."""
    digits = [int(c) for c in number if c.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [2 * d - 9 * (d > 4) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _names() -> dict[str, str]:
    return {
        "email": say("e-mail addresses"),
        "phone": say("telephone numbers"),
        "card": say("card numbers"),
        "key": say("keys and passwords"),
    }
