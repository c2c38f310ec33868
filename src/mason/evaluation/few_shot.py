"""In-context learning: examples in the prompt instead of training (Brown et al. 2020).

A language model is shown some texts with their labels and then says how likely each label is
for a new text. The shown examples are the same for all texts, so they are read once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mason.evaluation.likelihoods import Ids, follow
from mason.generation import Decoding
from mason.generation.decoding import held_bytes
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of

_BATCH = 8
"""Most texts that are scored at once."""
_HELD = 1 << 30
"""Most bytes of keys and values that they have room for; one text always has."""


@dataclass(frozen=True)
class Scored:
    """Log-probabilities of every label for every text.

    Attributes:
        plain: Of the whole label given the prompt, ``[texts, labels]``.
        sizes: UTF-8 bytes of each label.
        blank: Of each label where a text without content stands in the text's place.
    """

    plain: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    blank: npt.NDArray[np.float64]

    def predictions(self) -> dict[str, npt.NDArray[np.int64]]:
        """The chosen labels in three ways.

        ``plain``: the likeliest. ``normalised``: by byte, so that a long label is not held
        against itself (as lm-evaluation-harness's acc_norm). ``calibrated``: over what the
        prompt makes likely by itself (Zhao et al. 2021, arXiv:2102.09690).
        """
        found = {
            "plain": self.plain,
            "normalised": self.plain / self.sizes,
            "calibrated": self.plain - self.blank,
        }
        return {name: scores.argmax(1) for name, scores in found.items()}


@torch.inference_mode()
def score_choices(
    model: Transformer, shown: Ids, texts: Sequence[Ids], choices: Sequence[Ids]
) -> npt.NDArray[np.float64]:
    """Log-probability of each choice after each text, ``[texts, choices]``.

    Args:
        model: A decoder with the head ``language``.
        shown: What stands before every text; read once. Empty: nothing.
        texts: What to go on from, at least a token each.
        choices: What may follow, at least a token each.
    """
    found = np.empty((len(texts), len(choices)))
    room = len(shown) + max(map(len, texts)) + max(map(len, choices))
    kept = Decoding(model, 1, room)
    if shown:
        kept.read(Packed.of([shown], device=device_of(model)))
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    # What was shown is copied for each choice of each text.
    batch = max(1, min(_BATCH, _HELD // (held_bytes(model) * room * len(choices))))
    for start in range(0, len(by_length), batch):
        run = by_length[start : start + batch]
        reading = kept.fork([0] * len(run))
        sums, _ = follow(model, reading, [texts[i] for i in run], [choices] * len(run))
        found[run] = sums.view(len(run), len(choices)).double().cpu().numpy()
    return found
