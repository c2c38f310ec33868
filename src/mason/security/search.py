"""The one search: the words that matter most, each replaced by what hurts most, until it errs.

Words are ranked by how much their removal takes from the right answer, and tried in that order
(Jin et al. 2020). Every attack on a text is this search with other moves and limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mason.security.limits import Limits, Nearness
from mason.security.moves import Move
from mason.security.victims import Victim
from mason.security.words import Words, is_stop_word


@dataclass(frozen=True)
class Outcome:
    """What an attack made of a text.

    Attributes:
        text: As it was.
        attacked: As the attack left it.
        label: The right class.
        before: The class of the text as it was.
        after: The class of the attacked text.
        queries: Texts the victim was asked.
        changed: Words that differ.
        words: Words there are.
        similarity: Cosine of the two sentence vectors, where they were compared.
    """

    text: str
    attacked: str
    label: int
    before: int
    after: int
    queries: int
    changed: int
    words: int
    similarity: float | None = None

    @property
    def tried(self) -> bool:
        """Whether there was anything to attack: the text was answered rightly."""
        return self.before == self.label

    @property
    def success(self) -> bool:
        """Whether a right answer became a wrong one."""
        return self.tried and self.after != self.label


def attack_text(
    victim: Victim,
    text: str,
    label: int,
    move: Move,
    limits: Limits,
    nearness: Nearness | None = None,
) -> Outcome:
    """Look for a change of ``text`` that makes the victim err.

    Args:
        victim: Is asked for probabilities alone.
        text: To be changed.
        label: Its right class.
        move: What may stand in a word's place.
        limits: What must be kept.
        nearness: Compares sentences, where ``limits`` ask for it.
    """
    start, words = victim.queries, Words.of(text)
    clean = victim([text])[0]
    before = int(clean.argmax())
    if before != label or not len(words):
        return Outcome(text, text, label, before, before, 1, 0, len(words))
    now, likely, after, changed = words, float(clean[label]), before, 0
    similarity = None
    for place in _by_weight(victim, words, label, limits):
        spent = victim.queries - start
        if changed >= limits.max_changes(len(words)) or spent >= limits.max_queries:
            break
        tries = [now.changed(place, word) for word in move(now, place) if word != now.words[place]]
        found, near = _near(text, tries[: limits.max_queries - spent], limits, nearness)
        if not found:
            continue
        told = victim([str(one) for one in found])
        wrong = np.flatnonzero(told.argmax(1) != label)
        # Among those that succeed the nearest; else the one that leaves least of the answer.
        best = int(wrong[near[wrong].argmax()]) if len(wrong) else int(told[:, label].argmin())
        if told[best, label] < likely or len(wrong):
            now, likely, after = found[best], float(told[best, label]), int(told[best].argmax())
            changed, similarity = changed + 1, float(near[best]) if nearness else None
        if len(wrong):
            break
    asked = victim.queries - start
    return Outcome(text, str(now), label, before, after, asked, changed, len(words), similarity)


def _by_weight(victim: Victim, words: Words, label: int, limits: Limits) -> Sequence[int]:
    """Places that may change, those first whose word the answer needs most."""
    places = [
        place
        for place, word in enumerate(words.words)
        if not (limits.keep_stop_words and is_stop_word(word))
    ]
    if not places:
        return []
    left = victim([str(words.changed(place, "")) for place in places])[:, label]
    return [places[i] for i in np.argsort(left, kind="stable")]


def _near(
    text: str, tries: list[Words], limits: Limits, nearness: Nearness | None
) -> tuple[list[Words], np.ndarray]:
    """The tries that stay near enough, and how near each is; 0 where nobody compares."""
    if not tries or nearness is None:
        return tries, np.zeros(len(tries))
    near = nearness(text, [str(one) for one in tries])
    kept = np.flatnonzero(near >= limits.least_similarity)
    return [tries[i] for i in kept], near[kept]
