"""Which words there are, and which neighbours they have in the texts a model learned from.

A letter that is wrong often leaves two words that might have been meant, or makes a third: who is
known by its neighbours, as *hwo many* and *hwo is*.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

from mason.errors import CheckpointError
from mason.text.cleaning import as_read

USAGE_FILE = "spelling.json"
"""Where a model's folder has them."""
WORD = re.compile(r"[^\W_]+")
EDGE = ""
"""What stands before a text's first word, and after its last."""
_LEAST = 2
"""What a single text says may be anything, a secret too: it is not kept."""
_MOST, _TEXTS = 100_000, 200_000
"""Words that are kept, and pairs, the most frequent ones; texts that are counted."""
LONGEST = 40
"""Letters of a word; a longer one is none, whoever says so: its edits would be without end."""
_LARGEST = 2**53


@dataclass(frozen=True, eq=False)
class Usage:
    """Counts of words of English letters, and of words by the word before them, in small letters.

    Attributes:
        known: Words that there are, the most frequent first.
        words: How often each was seen; ``EDGE``: how many texts there were.
        following: Of a word, how often each other came next.
    """

    known: Sequence[str] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    following: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str], known: Iterable[str] = ()) -> "Usage":
        """Of these texts, as a reader sees them; what only one of them says is left out.

        Args:
            texts: Copies count once; many are enough.
            known: Words that there are besides, the most frequent first.
        """
        words, pairs = Counter[str](), Counter[tuple[str, str]]()
        told_by = Counter[str | tuple[str, str]]()
        for text in islice(dict.fromkeys(texts), _TEXTS):
            found = [EDGE, *map(str.lower, WORD.findall(as_read(text).text)), EDGE]
            here = Counter(word for word in found[:-1] if _is_kept(word))
            beside = Counter(p for p in pairwise(found) if all(map(_is_kept, p)))
            words.update(here)
            pairs.update(beside)
            told_by.update([*here, *beside])
        kept = {w: n for w, n in words.most_common(_MOST) if told_by[w] >= _LEAST}
        following: dict[str, dict[str, int]] = {}
        for (one, other), count in pairs.most_common(_MOST):
            if told_by[one, other] >= _LEAST and one in kept:
                following.setdefault(one, {})[other] = count
        return cls(tuple(known), kept, following)

    def share(self, word: str, before: str, alone: float) -> float:
        """How likely ``word`` is after ``before``, if it is so likely by itself.

        The more different words came next, the more likely is one that has not (Witten & Bell
        1991).
        """
        seen, kinds = self.following.get(before, {}).get(word, 0), self.kinds.get(before, 1)
        return (seen + kinds * alone) / (self.words.get(before, 0) + kinds)

    @cached_property
    def kinds(self) -> Mapping[str, int]:
        """How many different words came next; what is not kept was another each time."""
        found: dict[str, int] = {}
        for word, count in self.words.items():
            others = self.following.get(word, {})
            found[word] = max(1, count - sum(others.values()) + len(others))
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        following = {word: dict(others) for word, others in self.following.items()}
        return {"known": list(self.known), "words": dict(self.words), "following": following}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], file: object) -> "Usage":
        """What ``file`` says.

        Raises:
            CheckpointError: It is no such tables.
        """
        known: Any = values.get("known")
        words: Any = values.get("words")
        following: Any = values.get("following")
        right = len(values) == 3 and isinstance(known, list) and isinstance(following, dict)
        right = right and all(isinstance(word, str) for word in known)
        if not (right and _counts(words) and all(map(_counts, following.values()))):
            raise CheckpointError(
                "{file} is no table of words and those that follow them; fetch the model again.",
                file=file,
            )
        return cls(tuple(known), words, following)

    @property
    def digest(self) -> str:
        """SHA-256 of what it says."""
        told = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


NO_USAGE = Usage()


def _is_kept(word: str) -> bool:
    return word == EDGE or (word.isascii() and word.isalpha() and len(word) <= LONGEST)


def _counts(values: object) -> bool:
    return isinstance(values, dict) and all(
        type(n) is int and 0 < n < _LARGEST for n in values.values()
    )
