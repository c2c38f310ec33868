"""Replaced-token detection: tell real tokens from plausible ones (Clark et al. 2020, ELECTRA)."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.models.packed import Packed
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, device_of
from mason.tasks.pretraining.masked import MaskedLanguage
from mason.tasks.pretraining.passages import chance_of

_OTHER = 1 << 40
"""Apart from the numbers that the holes are drawn with."""


class Electra(nn.Module):
    """A discriminator, and the generator that learns beside it and is left behind.

    The two share what they know of the tokens: token, position and segment vectors.

    Args:
        network: Has the head ``replaced``: one logit a token.
        generator: Has the head ``language``, and an embedding of the same width.
    """

    def __init__(self, network: Transformer, generator: Transformer) -> None:
        super().__init__()
        self.network, self.generator = network, generator
        assert network.encoder is not None and generator.encoder is not None
        shared, own = network.encoder.embedding, generator.encoder.embedding
        for name, module in shared.named_children():
            if isinstance(module, nn.Embedding):
                setattr(own, name, module)
        output = generator.heads["language"].output
        assert isinstance(output, nn.Linear) and isinstance(shared.tokens, nn.Embedding)
        assert output.weight.shape == shared.tokens.weight.shape, "one width of token vectors"
        output.weight = shared.tokens.weight

    @property
    def spec(self) -> ModelSpec:
        """The discriminator's."""
        return self.network.spec


Learner = Transformer | Electra
"""What learns: a model, or one with its generator."""


class ReplacedTokens:
    """A small generator fills holes; the model says of every token whether it was put there.

    The generator is a masked language model; its gradient does not pass through the
    sampled tokens.

    Args:
        masked: What the generator learns; its rate says how many tokens are sampled.
        weight: Weight of the model's loss beside the generator's (50 in the paper).
    """

    def __init__(self, masked: MaskedLanguage, *, weight: float = 50.0) -> None:
        self.masked, self.weight = masked, weight
        self.lengths = masked.lengths
        self._ratio = 1.0

    def count(self, batch: Sequence[int]) -> int:
        """Hidden tokens of the batch; begins the batch."""
        count = self.masked.count(batch)
        self._ratio = count / sum(self.lengths[int(i)] for i in batch)
        return count

    def loss(self, model: Electra, run: Sequence[int]) -> Tensor:
        """The generator's summed loss, and the model's as its share of it."""
        loss, answers, replaced = self._answers(model, run)
        return loss + self._told_loss(answers, replaced)

    def scores(self, model: Electra, run: Sequence[int]) -> dict[str, tuple[float, int]]:
        """The loss, the replaced tokens that are found and the real ones that are let pass."""
        loss, answers, replaced = self._answers(model, run)
        found, there = answers > 0, replaced > 0
        count = self.masked.count(run)
        return {
            "valid_loss": (float(loss + self._told_loss(answers, replaced)), count),
            "replaced_found": (int((found & there).sum()), int(there.sum())),
            "real_kept": (int((~found & ~there).sum()), int((~there).sum())),
        }

    def _answers(
        self, model: Electra, run: Sequence[int]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "T"], Float[Tensor, "T"]]:
        """The generator's loss; the model's logit for every token; 1.0 where it was replaced."""
        packed, at, wanted, _ = self.masked.read(run, device_of(model))
        logits = model.generator.logits("language", packed, at=at).float()
        loss = F.cross_entropy(logits, wanted, reduction="sum")
        holes = torch.bincount(packed.layout.sequences[at], minlength=len(run)).tolist()
        guessed = sampled(logits.detach(), _chances(run, holes, logits.device))
        read, replaced = filled(packed, at, wanted, guessed)
        return loss, model.network.logits("replaced", read).squeeze(1).float(), replaced

    def _told_loss(self, answers: Float[Tensor, "T"], replaced: Float[Tensor, "T"]) -> Tensor:
        told = F.binary_cross_entropy_with_logits(answers, replaced, reduction="sum")
        return self.weight * self._ratio * told


def _chances(run: Sequence[int], holes: Sequence[int], device: torch.device) -> Float[Tensor, "H"]:
    """A number from 0 to 1 for each hole, of its passage alone: like everything drawn."""
    drawn = [chance_of(int(i) + _OTHER).random(n) for i, n in zip(run, holes, strict=True)]
    return torch.from_numpy(np.concatenate(drawn)).to(device, torch.float32)


def sampled(logits: Float[Tensor, "H V"], chances: Float[Tensor, "H"]) -> Int[Tensor, "H"]:
    """A token for each hole, as likely as the generator thinks."""
    reached = logits.softmax(1).cumsum(1)
    places = torch.searchsorted(reached, chances[:, None] * reached[:, -1:], right=True)
    return places.squeeze(1).clamp(max=logits.shape[1] - 1)


def filled(
    packed: Packed, at: Int[Tensor, "H"], wanted: Int[Tensor, "H"], guessed: Int[Tensor, "H"]
) -> tuple[Packed, Float[Tensor, "T"]]:
    """The text with the guesses in its holes; 1.0 where a guess is wrong."""
    whole = packed.tokens.index_copy(0, at, wanted)
    filled = packed.tokens.index_copy(0, at, guessed)
    return Packed(filled, packed.layout, packed.token_types), (filled != whole).float()
