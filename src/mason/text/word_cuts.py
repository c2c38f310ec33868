"""Parts of a text whose ids, one after another, are the ids of the text: words, where that is so.

A tokenizer looks for pieces within words only, so its ids for a word are the same in every text,
if nothing in front of the model looks across a space. That is read from its rules. A space with
no white space on either side begins a word; one that ``ByteLevel``, ``Metaspace`` or a pattern of
Llama 3 or Qwen 2 cuts stays with the word behind it, the others leave it out. BERT's cleaning
puts spaces round every Chinese character, so there each is a part of its own.
"""

import re
from collections.abc import Mapping
from typing import Any

from mason.text.building import WORD_PATTERNS
from mason.text.tokenizers import Tokenizer

Rules = Mapping[str, Any]

WHOLE = "\n"
"""Before a part that is no word behind a space; no such word begins with it."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_ALONE = re.compile(f"[{_HAN}]|[^ {_HAN}]+")
_ONE_BY_ONE = ("Lowercase", "NFC", "NFD", "NFKC", "NFKD")
_WITHOUT_SPACES = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")
_BY_KIND = ("Digits", "Punctuation")


class WordCuts:
    """The parts of a text, for one tokenizer.

    A part is a word, short for a space and the word, or begins with ``WHOLE``: then it is what
    follows that. A text with other white space than single spaces is one part, and so is every
    text where the rules do not let it be cut.

    Attributes:
        by_words: Whether a text may be cut before a single space.
        by_characters: Whether round Chinese characters as well.
        by_bytes: Whether pieces spell a byte a character, and line feeds stand alone.

    Args:
        tokenizer: Its rules decide; behind a cleaner, which may look at the whole text, none is
            cut.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        rules = tokenizer.rules
        self.by_words = tokenizer.cleaner is None and _words_stand_alone(rules)
        cleaning = rules["normalizer"] or {}
        self.by_characters = (
            self.by_words
            and cleaning.get("type") == "BertNormalizer"
            and cleaning.get("handle_chinese_chars", True)
        )
        self.by_bytes = self.by_words and _counts_bytes(rules)

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``, in order."""
        bare = text.lstrip()
        words = bare.split() if self.by_words else []
        if not words or " ".join(words) != bare:
            return [WHOLE + text]
        if self.by_characters and not bare.isascii():
            words = _ALONE.findall(bare)
        lead = text[: len(text) - len(bare)]
        if lead != " ":
            words[0] = WHOLE + lead + words[0]
        return words


def spelled(part: str) -> str:
    """The text that a part stands for."""
    return part[1:] if part.startswith(WHOLE) else f" {part}"


def _words_stand_alone(rules: Rules) -> bool:
    """Whether a text may be cut before a single space."""
    if any(not token["special"] for token in rules["added_tokens"]):
        return False  # one may span a space; special ones mean nothing in a text
    if rules["model"].get("dropout"):
        return False
    cleaning, first = _steps(rules["normalizer"]), _steps(rules["pre_tokenizer"])
    while first and first[0]["type"] in _BY_KIND:
        first = first[1:]
    if not first:
        return False
    kind = first[0]["type"]
    dropped = kind in _WITHOUT_SPACES
    # A word may be cleaned away, and the spaces round it come together: where spaces are pieces,
    # two are not one and one.
    allowed = (*_ONE_BY_ONE, "BertNormalizer", "StripAccents") if dropped else _ONE_BY_ONE
    return (
        (dropped or _cuts_before_spaces(first[0]))
        and all(step["type"] in allowed for step in cleaning)
        and all(_looks_no_further(step) for step in first[1:])
    )


def _counts_bytes(rules: Rules) -> bool:
    """Whether pieces spell a byte a character, in words as GPT-2 cuts them."""
    model = rules["model"]
    cuts = [step for step in _steps(rules["pre_tokenizer"]) if step["type"] not in _BY_KIND]
    return (
        rules["normalizer"] is None
        and model["type"] == "BPE"
        and not (model.get("ignore_merges") or model.get("byte_fallback"))
        and not (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"))
        and cuts[0]["type"] == "ByteLevel"
        and not cuts[0]["add_prefix_space"]
    )


def _steps(rules: Rules | None) -> list[Rules]:
    """The rules of a sequence, or the one, or none."""
    if rules is None:
        return []
    if rules["type"] != "Sequence":
        return [rules]
    parts = rules["normalizers"] if "normalizers" in rules else rules["pretokenizers"]
    return [step for part in parts for step in _steps(part)]


def _cuts_before_spaces(step: Rules) -> bool:
    if step["type"] == "Split":
        known = step["pattern"].get("Regex") in WORD_PATTERNS
        return known and step["behavior"] == "Isolated" and not step["invert"]
    if step["type"] == "Metaspace":
        return bool(step.get("split", True))
    return step["type"] == "ByteLevel" and bool(step.get("use_regex", True))


def _looks_no_further(step: Rules) -> bool:
    """Whether a later step sees nothing but the part that an earlier one cut."""
    if step["type"] == "Metaspace":
        return bool(step.get("prepend_scheme", "always") != "first")
    return step["type"] in (*_BY_KIND, *_WITHOUT_SPACES, "Split", "ByteLevel")
