"""How well a vocabulary fits a text: what a tokenizer costs, and what it loses."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mason.text.tokenizers import Tokenizer

_SAMPLE = 2_000


@dataclass(frozen=True)
class Fit:
    """A tokenizer on a text.

    Attributes:
        num_pieces: Size of the vocabulary.
        bytes_per_token: UTF-8 bytes a token stands for; more is cheaper.
        fertility: Tokens a word (a character for Chinese and Japanese), by script.
        unknown: Share of tokens that stand for text the vocabulary cannot spell.
        lossless: Share of texts that come back as they were, spaces at the ends aside.
    """

    num_pieces: int
    bytes_per_token: float
    unknown: float
    lossless: float
    fertility: dict[str, float] = field(default_factory=dict)


def fit_of(tokenizer: Tokenizer, texts: Sequence[str]) -> Fit:
    """Measure a tokenizer on texts; the special tokens around them do not count."""
    encoded = tokenizer.encode_ids(texts, special=False)
    num_tokens = max(1, sum(map(len, encoded)))
    unknown = tokenizer.special.unk
    return Fit(
        len(tokenizer.vocabulary()),
        sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / num_tokens,
        sum(ids.count(unknown) for ids in encoded) / num_tokens if unknown is not None else 0.0,
        sum(
            tokenizer.decode(ids, skip_special=False).strip() == text.strip()
            for ids, text in zip(encoded, texts, strict=True)
        )
        / max(1, len(texts)),
        _fertility(tokenizer, texts),
    )


def _fertility(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, float]:
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word in _WORD.findall(text) if word.strip())
    by_script: dict[str, list[str]] = {}
    for word, _ in words.most_common(_SAMPLE):
        by_script.setdefault(script_of(word), []).append(word)
    found = {}
    for script, some in sorted(by_script.items()):
        # A space before the word, as in a text.
        ids = tokenizer.encode_ids([f" {word}" for word in some], special=False)
        times = [words[word] for word in some]
        tokens = sum(len(i) * n for i, n in zip(ids, times, strict=True))
        found[script] = tokens / sum(times)
    return found


_WORD = re.compile(r"[㐀-鿿぀-ヿ]|[^\W\d_㐀-鿿぀-ヿ]+|\d+", re.UNICODE)


def script_of(word: str) -> str:
    """The script of a word's first character, such as LATIN, CJK or DIGIT."""
    if word[0].isdigit():
        return "DIGIT"
    return unicodedata.name(word[0], "OTHER").split()[0]
