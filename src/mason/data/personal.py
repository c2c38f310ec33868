"""Personal data and secrets among training texts, which a model may learn by heart."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from mason.data.findings import Finding
from mason.data.views import View
from mason.language import say

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,4}[A-Za-z]{2,24}\b", re.ASCII)
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|(?:\+?86[ -]?)?1[3-9]\d{9}"
    r"|1[3-9]\d([ -])\d{4}\1\d{4}|\(0\d{2,3}\) ?\d{7,8}|0\d{2,3}[ -]\d{7,8})(?![\w-]|\.\d)",
    re.ASCII,
)
_CARD = re.compile(r"(?<![\d.-])(?:\d[ -]?){12,18}\d(?![\d-])", re.ASCII)
_IDENTITY = re.compile(r"(?<!\d)[1-9]\d{16}[\dXx](?!\d)", re.ASCII)
_WEIGHTS, _CHECKS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
"""Of Chinese identity numbers (GB 11643-1999)."""
_ACCOUNT = re.compile(r"(?<![A-Za-z\d])[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){2,7}(?: ?[A-Z\d]{1,3})?(?!\w)")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bsk-[A-Za-z0-9_-]{20,}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}\b|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\b(?:hf_|glpat-|npm_|sk_live_|rk_live_)[A-Za-z0-9_-]{16,}\b"
    r"|\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,2000}\.[\w-]{10,}"
    r"|(?i:\b(?:password|passwd|api[_-]?key|secret)\s*[:=]\s*['\"]?[^\s'\"]{8,})"
    r"|(?:密码|口令|密钥|令牌)(?:是|为|[:：=])\s*['\"]?[!-~]{8,}",
    re.ASCII,
)
_RANDOM = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{32,128}={0,2}(?![\w+/=.-])", re.ASCII)
_BITS = 4.3
"""Entropy of a character in a key of 32 or more; names and paths have less."""


def kinds_in(text: str) -> list[str]:
    """What ``text`` holds: of ``find_personal``, each kind once."""
    return list(dict.fromkeys(kind for kind, _ in find_personal(text)))


def find_personal(text: str) -> list[tuple[str, str]]:
    """Personal data and secrets in ``text``: what it is, and the characters.

    The kinds are "email", "identity" (Chinese identity numbers), "card", "account" (IBAN),
    "phone" and "key". Numbers that carry a check must pass it.
    """
    found = [("email", m.group()) for m in _EMAIL.finditer(text)] if "@" in text else []
    if _has_digits(text):
        numbers = [("identity", m.group()) for m in _IDENTITY.finditer(text)]
        numbers = [one for one in numbers if _is_identity(one[1])]
        numbers += [("account", m.group()) for m in _ACCOUNT.finditer(text)]
        numbers = [(kind, n) for kind, n in numbers if kind != "account" or _is_account(n)]
        rest = _without(text, numbers)
        cards = [("card", m.group()) for m in _CARD.finditer(rest) if _is_card(m.group())]
        rest = _without(rest, cards)
        found += numbers + cards + [("phone", m.group()) for m in _PHONE.finditer(rest)]
    keys = [m.group() for m in _KEY.finditer(text)]
    keys += [m.group() for m in _RANDOM.finditer(text) if _is_random(m.group())]
    return found + [("key", key) for key in dict.fromkeys(keys)]


def check_personal(view: View) -> Iterator[Finding]:
    """Texts with addresses, numbers of people and accounts, or keys and passwords."""
    kinds = [kinds_in(text) if text else [] for text in view.texts]
    places = [place for place, found in enumerate(kinds) if found]
    if not places:
        return
    counts = Counter(kind for found in kinds for kind in found)
    names = personal_names()
    told = ", ".join(f"{names[kind]} {count:,}" for kind, count in counts.most_common())
    grave = any(counts[kind] for kind in ("key", "card", "account", "identity"))
    yield view.finding(
        "personal-data",
        "warning" if grave else "note",
        places,
        reason=say("Texts that look as if they held personal data or secrets: {told}.", told=told),
        fix=say(
            "Delete or replace them, above all keys and card numbers: a model may learn by heart "
            "what it reads, and say it to others."
        ),
    )


def personal_names() -> dict[str, str]:
    """Each kind of ``find_personal`` as people call it."""
    return {
        "email": say("e-mail addresses"),
        "phone": say("telephone numbers"),
        "identity": say("identity numbers"),
        "card": say("card numbers"),
        "account": say("bank accounts"),
        "key": say("keys and passwords"),
    }


def _has_digits(text: str) -> bool:
    return sum(character.isdigit() for character in text) >= 10


def _without(text: str, found: list[tuple[str, str]]) -> str:
    for _, number in found:
        text = text.replace(number, " ")
    return text


def _is_card(number: str) -> bool:
    """Whether the digits pass Luhn's check and begin as cards do."""
    digits = [int(c) for c in number if c.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [2 * d - 9 * (d > 4) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_identity(number: str) -> bool:
    """Whether its date can be one and its last character is the one the others ask for."""
    month, day = int(number[10:12]), int(number[12:14])
    total = sum(w * int(c) for w, c in zip(_WEIGHTS, number, strict=False))
    likely = number[6:8] in ("19", "20") and 1 <= month <= 12 and 1 <= day <= 31
    return likely and _CHECKS[total % 11] == number[17].upper()


def _is_account(number: str) -> bool:
    """Whether an IBAN leaves 1 by 97 (ISO 13616)."""
    plain = number.replace(" ", "")
    return (
        15 <= len(plain) <= 34
        and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
    )


def _is_random(text: str) -> bool:
    """Whether characters of three kinds follow each other as nobody would type them."""
    kinds = (str.islower, str.isupper, str.isdigit)
    if not all(any(is_kind(c) for c in text) for is_kind in kinds):
        return False
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) >= _BITS
