"""Which words and which neighbours the texts have that a model learned from: two tables of counts.

A letter that is wrong often leaves two words that might have been meant, or makes a third: who is
known by its neighbours, as *hwo many* and *hwo is*.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from mason.errors import CheckpointError
from mason.text.cleaning import as_read

WORD = re.compile(r"[^\W_]+")
USAGE_FILE = "spelling.json"
"""Where a model's folder has them."""
EDGE = ""
"""What stands before a text's first word, and after its last."""
_LEAST = 2
"""What is seen once may be anything, a secret too: it is not kept."""
_MOST = 100_000
"""Pairs that are kept, the most frequent ones."""


@dataclass(frozen=True, eq=False)
class Usage:
    """Counts of words, and of words by the word before them, in small letters.

    Attributes:
        words: How often each was seen; ``EDGE``: how many texts there were.
        following: Of a word, how often each other came next.
    """

    words: Mapping[str, int] = field(default_factory=dict)
    following: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Usage":
        """Of these texts, as a reader sees them; what was seen once is left out."""
        words, pairs = Counter[str](), Counter[tuple[str, str]]()
        for text in texts:
            found = [EDGE, *map(str.lower, WORD.findall(as_read(text).text)), EDGE]
            words.update(found[:-1])
            pairs.update(pairwise(found))
        following: dict[str, dict[str, int]] = {}
        for (one, other), count in pairs.most_common(_MOST):
            if count >= _LEAST:
                following.setdefault(one, {})[other] = count
        return cls({word: n for word, n in words.items() if n >= _LEAST}, following)

    def share(self, word: str, before: str, alone: float) -> float:
        """How likely ``word`` is after ``before``, if it is so likely by itself.

        The more different words came next, the more likely is one that has not (Witten & Bell
        1991).
        """
        seen, kinds = self.following.get(before, {}).get(word, 0), self.kinds.get(before, 1)
        return (seen + kinds * alone) / (self.words.get(before, 0) + kinds)

    @cached_property
    def kinds(self) -> Mapping[str, int]:
        """How many different words came next; each that was seen once is another."""
        found: dict[str, int] = {}
        for word, count in self.words.items():
            others = self.following.get(word, {})
            found[word] = max(1, count - sum(others.values()) + len(others))
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        following = {word: dict(others) for word, others in self.following.items()}
        return {"words": dict(self.words), "following": following}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], file: object) -> "Usage":
        """What ``file`` says.

        Raises:
            CheckpointError: It is no such tables.
        """
        words, following = values.get("words"), values.get("following")
        tables = [words, *(following.values() if isinstance(following, dict) else [None])]
        if not all(map(_counts, tables)):
            raise CheckpointError(
                "{file} is no table of words and those that follow them; fetch the model again.",
                file=file,
            )
        return cls(words, following)  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """SHA-256 of what it says."""
        told = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


NO_USAGE = Usage()


def _counts(values: object) -> bool:
    return isinstance(values, dict) and all(type(n) is int and n > 0 for n in values.values())
