"""What can be wrong with the texts of one split."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from mason.data.findings import Finding
from mason.data.views import View
from mason.language import say

_CP1252_HIGH = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(
    f"\ufffd|锟斤拷|烫烫烫|ï»¿|[ÃÂ][{_CP1252_HIGH}]|â€[{_CP1252_HIGH}]|ðŸ[{_CP1252_HIGH}]|"
    f"(?:[ä-é][{_CP1252_HIGH}]{{2}}){{2}}"
)
_HANZI = re.compile(r"[\u3400-\u9fff]{4}")
_HTML = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|p|script|span|strong|table|td|tr|ul)"
    r"(?:\s[^<>]*)?/?>|&(?:amp|lt|gt|quot|nbsp|apos|#\d{2,5}|#x[0-9a-f]{2,4});",
    re.IGNORECASE,
)
# Joiners (200C, 200D) and the emoji selector (FE0F) belong to ordinary writing.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SCRIPTS = {
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
    "Chinese": re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]"),
    "Japanese": re.compile(r"[\u3041-\u30fa]"),
    "Korean": re.compile(r"[\u1100-\u11ff\uac00-\ud7af]"),
    "Cyrillic": re.compile(r"[\u0400-\u052f]"),
    "Greek": re.compile(r"[\u0370-\u03ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
}
_MAIN_SCRIPT_SHARE = 0.9


def check_texts(view: View) -> Iterator[Finding]:
    """Everything that is wrong with the texts themselves."""
    for check in (_missing, _constant, _mojibake, _html, _invisible, _scripts):
        yield from check(view)


def _missing(view: View) -> Iterator[Finding]:
    places = _where(view, lambda text: not text)
    if places:
        yield view.finding(
            "missing-text",
            "error" if len(places) == len(view.texts) else "warning",
            places,
            reason=say("Rows whose text is missing or blank: {count}.", count=len(places)),
            fix=say("Fill them in or delete them; training and testing leave them out."),
        )


def _constant(view: View) -> Iterator[Finding]:
    if len(view.texts) > 1 and len(set(view.texts)) == 1 and view.texts[0]:
        yield view.finding(
            "constant-text",
            "error",
            range(len(view.texts)),
            reason=say("Every row has the same text."),
            fix=say("Name the column that holds the texts with --text COLUMN."),
        )


def _mojibake(view: View) -> Iterator[Finding]:
    places = _where(view, _is_mojibake)
    if places:
        yield view.finding(
            "mojibake",
            "warning",
            places,
            reason=say(
                "Texts that were once read in the wrong encoding, such as Ã© for é or 锟斤拷: "
                "{count}.",
                count=len(places),
            ),
            fix=say("Export the file again from its source as UTF-8; what is lost stays lost."),
        )


def _html(view: View) -> Iterator[Finding]:
    places = _where(view, lambda text: _HTML.search(text) is not None)
    if places:
        yield view.finding(
            "html",
            "note",
            places,
            reason=say("Texts that hold HTML tags or entities: {count}.", count=len(places)),
            fix=say("Turn them into plain text, unless the model will see HTML in use as well."),
        )


def _invisible(view: View) -> Iterator[Finding]:
    places = _where(view, lambda text: _INVISIBLE.search(text) is not None)
    if places:
        yield view.finding(
            "invisible-characters",
            "note",
            places,
            reason=say(
                "Texts that hold control or invisible characters: {count}.", count=len(places)
            ),
            fix=say("Delete those characters; they change how a text is cut into tokens."),
        )


def _scripts(view: View) -> Iterator[Finding]:
    scripts = [_script(text) for text in view.texts]
    counts = Counter(script for script in scripts if script)
    if not counts:
        return
    main, num_main = counts.most_common(1)[0]
    places = [i for i, script in enumerate(scripts) if script and script != main]
    if places and num_main >= _MAIN_SCRIPT_SHARE * counts.total():
        yield view.finding(
            "other-script",
            "note",
            places,
            reason=say(
                "Texts not in the script of the rest ({script}): {count}.",
                script=_script_names()[main],
                count=len(places),
            ),
            fix=say("Look at a few; a model learns little from a handful of another language."),
        )


def _where(view: View, has: Callable[[str], bool]) -> Sequence[int]:
    return [place for place, text in enumerate(view.texts) if has(text)]


def _is_mojibake(text: str) -> bool:
    if text.isascii():
        return False
    return _MOJIBAKE.search(text) is not None or _is_utf8_read_as_gbk(text)


def _is_utf8_read_as_gbk(text: str) -> bool:
    """Chinese whose bytes in GBK are well-formed UTF-8 for Chinese: 浣犲ソ is 你好."""
    if _HANZI.search(text) is None:
        return False
    try:
        return _HANZI.search(text.encode("gbk").decode("utf-8")) is not None
    except UnicodeError:
        return False


def _script(text: str) -> str | None:
    """The script most letters of a text are in; Japanese wherever kana are a fifth."""
    if text.isascii():
        return "Latin" if _SCRIPTS["Latin"].search(text) else None
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    counts = {name: count for name, count in counts.items() if count}
    if 5 * counts.get("Japanese", 0) >= sum(counts.values()) > 0:
        return "Japanese"
    return max(counts, key=lambda name: counts[name]) if counts else None


def _script_names() -> dict[str, str]:
    return {
        "Latin": say("Latin"),
        "Chinese": say("Chinese"),
        "Japanese": say("Japanese"),
        "Korean": say("Korean"),
        "Cyrillic": say("Cyrillic"),
        "Greek": say("Greek"),
        "Arabic": say("Arabic"),
        "Hebrew": say("Hebrew"),
        "Devanagari": say("Devanagari"),
        "Thai": say("Thai"),
    }
