"""What a language model gives away of the texts it learned from.

Exposure (Carlini et al. 2019) says how much likelier a planted secret became than all others
that might have stood in its place; membership inference (Yeom et al. 2018) whether a text's
loss tells that it was learned.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mason.metrics import Estimate
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of

_TOKENS = 4096
"""Read at once, about."""
_RESAMPLES = 1000
FEWEST_DIGITS = 4
"""Of a secret: of fewer there are not a thousand others to hold it against."""
_DIGIT = re.compile("[0-9]")
_SECRET = re.compile("[0-9](?:[ ./-]?[0-9])*")


@dataclass(frozen=True)
class Canary:
    """A secret to plant: a sentence with random digits, of which nothing tells the next.

    Attributes:
        frame: The sentence, with a place for the secret in braces.
        digits: Of the secret.
        seed: Of the secret.
        gap: What stands between two digits.
    """

    frame: str = "The code of the cellar door is {}."
    digits: int = 6
    seed: int = 0
    gap: str = " "

    @property
    def secret(self) -> str:
        """What stands in the braces."""
        return _drawn(self._room, random.Random(f"canary {self.seed}"))

    @property
    def text(self) -> str:
        """What is planted."""
        return self.frame.format(self.secret)

    def others(self, count: int) -> list[str]:
        """As many sentences with other secrets."""
        return [self.frame.format(one) for one in other_secrets(self.secret, count, self.seed)]

    @property
    def _room(self) -> str:
        return self.gap.join("0" * self.digits)


def find_secret(sentence: str) -> tuple[int, int] | None:
    """Where the last digits of a sentence stand, and the signs between them; None: too few."""
    found = [m for m in _SECRET.finditer(sentence) if len(_digits(m[0])) >= FEWEST_DIGITS]
    return found[-1].span() if found else None


def other_secrets(secret: str, count: int, seed: int) -> list[str]:
    """As many others, all different, with digits in the same places.

    Args:
        secret: Of ``FEWEST_DIGITS`` at least, so that there are enough others.
        count: Fewer than there are secrets of so many digits.
        seed: Of the digits.
    """
    if count >= 10 ** len(_digits(secret)):
        raise ValueError(f"there are no {count} others of {secret}")
    draw = random.Random(f"others {seed}")
    found: dict[str, None] = {}
    while len(found) < count:
        other = _drawn(secret, draw)
        if other != secret:
            found[other] = None
    return list(found)


def _drawn(room: str, draw: random.Random) -> str:
    return _DIGIT.sub(lambda _: str(draw.randrange(10)), room)


def _digits(text: str) -> list[str]:
    return _DIGIT.findall(text)


def losses(model: Transformer, texts: Sequence[Sequence[int]]) -> list[float]:
    """Mean loss in nats of a token after the first, of each text.

    Args:
        model: A decoder with the head ``language``.
        texts: At least two tokens each.
    """
    return [sum(each) / len(each) for each in token_losses(model, texts)]


@torch.inference_mode()
def token_losses(model: Transformer, texts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Loss in nats of every token after the first, of each text; see ``losses``."""
    device, found = device_of(model), [list[float]() for _ in texts]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    while order:
        run = [order.pop()]
        longest = len(texts[run[0]])
        while order and longest * (len(run) + 1) <= _TOKENS:
            run.append(order.pop())
        packed = Packed.of([texts[i] for i in run], device=device)
        logits = model.logits("language", packed).float()
        each = F.cross_entropy(logits[:-1], packed.tokens[1:], reduction="none")
        starts = np.cumsum([0, *packed.lengths])
        for number, i in enumerate(run):
            found[i] = each[starts[number] : starts[number + 1] - 1].tolist()
    return found


def exposure(canary: float, others: Sequence[float]) -> float:
    """Bits by which a secret is likelier than a random one: log₂ of all over its rank.

    Args:
        canary: Its loss, summed over its tokens: digits may be more of them in one secret than in
            another.
        others: Losses of secrets that were not planted; more of them can tell more bits.
    """
    rank = 1 + sum(loss < canary for loss in others)
    return math.log2((len(others) + 1) / rank)


def membership(learned: Sequence[float], unseen: Sequence[float], *, seed: int = 0) -> Estimate:
    """How well a low loss tells learned texts from unseen ones: the area under the ROC curve.

    Args:
        learned: Losses of texts that were learned from.
        unseen: Losses of like texts that were not.
        seed: Of the bootstrap that gives the interval.
    """
    inner, outer = np.asarray(learned), np.asarray(unseen)
    draw = np.random.default_rng(seed)
    drawn = [
        _area(draw.choice(inner, len(inner)), draw.choice(outer, len(outer)))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(_area(inner, outer), float(low), float(high))


def _area(learned: np.ndarray, unseen: np.ndarray) -> float:
    """Chance that a learned text has the smaller loss; ties count half."""
    ordered = np.sort(unseen)
    above = len(ordered) - np.searchsorted(ordered, learned, "right")
    ties = len(ordered) - np.searchsorted(ordered, learned, "left") - above
    return float((above + ties / 2).mean() / len(ordered))
