"""The attacks by name: each a move with the limits it is usually run under.

A new attack is a function that makes a ``Move`` from ``Means``, and a line here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from mason.errors import SettingsError
from mason.security import chinese, moves
from mason.security.gradients import hotflip, universal_trigger
from mason.security.limits import Limits, Nearness
from mason.security.moves import Move, together
from mason.security.neighbours import WordVectors, neighbours
from mason.security.search import Outcome, attack_text
from mason.security.victims import Inside, Victim
from mason.security.words import Words


@dataclass
class Means:
    """What an attacker has.

    Attributes:
        inside: The classifier's files.
        words: Where words of like use come from; None: from the classifier's own table.
        nearness: Compares sentences; None: nobody does.
        seed: Of all that is drawn.
        lexicon: Words of the texts that no tokenizer has as one token, as Chinese ones.
    """

    inside: Inside
    words: WordVectors | None = None
    nearness: Nearness | None = None
    seed: int = 0
    lexicon: frozenset[str] = frozenset()

    @cached_property
    def own_words(self) -> WordVectors:
        """The classifier's own words."""
        return WordVectors(self.inside.tokenizer, self.inside.table, self.lexicon)

    @cached_property
    def like_words(self) -> WordVectors:
        """The words that substitutes come from."""
        return self.words or self.own_words


@dataclass(frozen=True)
class Attack:
    """An attack.

    Attributes:
        name: As ``--attacks`` takes it.
        paper: Where it was described.
        make: Its move.
        limits: What it must keep where the user says nothing.
    """

    name: str
    paper: str
    make: Callable[[Means], Move]
    limits: Limits = field(default_factory=Limits)

    def run(
        self, victim: Victim, texts: Sequence[str], labels: Sequence[int], means: Means
    ) -> list[Outcome]:
        """Attack each text.

        Args:
            victim: The classifier, its defence included.
            texts: To be changed.
            labels: Their right classes.
            means: What the attacker has.

        Raises:
            SettingsError: It needs a package that is not installed, or another kind of model.
        """
        move = self.make(means)
        nearness = means.nearness if self.limits.min_similarity is not None else None
        return [
            attack_text(victim, text, label, move, self.limits, nearness)
            for text, label in zip(texts, labels, strict=True)
        ]

    def within(self, max_share: float | None, min_similarity: float | None) -> "Attack":
        """The same within limits of the user's; None: its own."""
        limits = self.limits
        if max_share is not None:
            limits = replace(limits, max_share=max_share)
        if min_similarity is not None:
            limits = replace(limits, min_similarity=min_similarity)
        return replace(self, limits=limits)


class Phrase(Attack):
    """The same words before every text: made from half of the texts, measured on the others.

    A text that its limits keep the words from is left as it is.
    """

    def run(
        self, victim: Victim, texts: Sequence[str], labels: Sequence[int], means: Means
    ) -> list[Outcome]:
        """See ``Attack.run``; only the texts that were measured come back."""
        made = universal_trigger(
            means.inside, means.own_words, texts[::2], labels[::2], seed=means.seed
        )
        others, size = texts[1::2], len(made.words.split())
        nearness = means.nearness if self.limits.min_similarity is not None else None
        attacked, changed = list(others), [0] * len(others)
        similar: list[float | None] = [None] * len(others)
        for i, text in enumerate(others):
            longer = f"{made.words} {text}"
            near = None if nearness is None else float(nearness(text, [longer])[0])
            if size > self.limits.max_changes(len(Words.of(text))):
                continue
            if near is None or near >= self.limits.least_similarity:
                attacked[i], changed[i], similar[i] = longer, size, near
        clean, told = victim(others).argmax(1), victim(attacked).argmax(1)
        return [
            Outcome(
                text,
                attacked[i],
                labels[1::2][i],
                int(clean[i]),
                int(told[i]),
                1,
                changed[i],
                len(Words.of(text)) + changed[i],
                similar[i],
            )
            for i, text in enumerate(others)
        ]


_ALL = (
    Attack("typos", "Gao et al. 2018", lambda m: moves.typos(m.seed)),
    Attack("homoglyphs", "Boucher et al. 2022", lambda m: moves.homoglyphs(m.seed)),
    Attack("invisible", "Boucher et al. 2022", lambda m: moves.invisible(m.seed)),
    Attack("disguise", "Eger et al. 2019", lambda m: moves.disguise(m.seed)),
    Attack(
        "words",
        "Jin et al. 2020",
        lambda m: neighbours(m.like_words),
        Limits(max_share=0.4, min_similarity=0.8, keep_stop_words=True),
    ),
    Attack("hotflip", "Ebrahimi et al. 2018", lambda m: hotflip(m.inside, m.own_words)),
    Phrase(
        "trigger",
        "Wallace et al. 2019",
        lambda m: hotflip(m.inside, m.own_words),
        Limits(max_share=1.0),
    ),
    Attack("homophones", "Zhang et al. 2021", lambda m: chinese.homophones(m.seed)),
    Attack("glyphs", "Zhang et al. 2021", lambda m: chinese.glyphs(m.seed)),
    Attack("traditional", "Zhang et al. 2021", lambda m: chinese.traditional(m.seed)),
    Attack(
        "edits",
        "all edits of characters together",
        lambda m: together(
            [make(m.seed) for make in (moves.typos, moves.homoglyphs, moves.invisible)]
        ),
    ),
)
ATTACKS: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in _ALL})
DEFAULT = ("typos", "homoglyphs", "invisible", "words")
CHINESE = ("homophones", "glyphs", "traditional", "invisible", "words")


def find_attacks(names: str | None, *, chinese_text: bool = False) -> list[Attack]:
    """The attacks named, parted by commas; None: those that suit the language.

    The encoder that compares sentences where nobody names one reads English: of Chinese texts
    no similarity is asked.

    Raises:
        SettingsError: One has another name.
    """
    default = CHINESE if chinese_text else DEFAULT
    asked = default if names is None else [name.strip() for name in names.split(",")]
    unknown = [name for name in asked if name not in ATTACKS]
    if unknown:
        raise SettingsError(
            "There is no attack {name!r}; choose among {known}.",
            name=unknown[0],
            known=", ".join(ATTACKS),
        )
    found = [ATTACKS[name] for name in asked]
    if not chinese_text:
        return found
    return [replace(one, limits=replace(one.limits, min_similarity=None)) for one in found]
