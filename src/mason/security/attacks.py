"""The attacks by name: each a move with the limits it is usually run under.

A new attack is a function that makes a ``Move`` from ``Means``, and a line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from mason.errors import SettingsError
from mason.security import chinese, moves
from mason.security.gradients import hotflip
from mason.security.limits import Limits, Nearness
from mason.security.moves import Move, together
from mason.security.neighbours import WordVectors, neighbours
from mason.security.victims import Inside


@dataclass
class Means:
    """What an attacker has.

    Attributes:
        inside: The classifier's files.
        words: Where words of like use come from; None: from the classifier's own table.
        nearness: Compares sentences; None: nobody does.
        seed: Of all that is drawn.
    """

    inside: Inside
    words: WordVectors | None = None
    nearness: Nearness | None = None
    seed: int = 0

    @cached_property
    def own_words(self) -> WordVectors:
        """The classifier's own words."""
        return WordVectors(self.inside.tokenizer, self.inside.table)

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
    limits: Limits = Limits()


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
CHINESE = ("homophones", "glyphs", "traditional", "invisible")


def find_attacks(names: str | None, *, chinese_text: bool = False) -> list[Attack]:
    """The attacks named, parted by commas; None: those that suit the language.

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
    return [ATTACKS[name] for name in asked]
