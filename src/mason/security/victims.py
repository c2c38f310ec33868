"""What is attacked: a classifier behind its door, and the same one with its inside open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mason.errors import SettingsError
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import Examples, class_logits, token_table, vectors_of_tokens
from mason.text import Tokenizer

Probabilities = npt.NDArray[np.floating]


@dataclass
class Victim:
    """A classifier that is asked and counts: all that an attacker from outside has.

    Attributes:
        answer: Probabilities [texts, classes] of texts, the defence included.
        queries: Texts it was asked so far.
    """

    answer: Callable[[Sequence[str]], Probabilities]
    queries: int = field(default=0, init=False)

    def __call__(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities [texts, classes]."""
        self.queries += len(texts)
        return self.answer(texts)


@dataclass(frozen=True)
class Inside:
    """A classifier's inside: what an attacker who has its files can use.

    Attributes:
        network: With a head that classifies.
        tokenizer: Its own.
        encode: Texts as the network reads them.
    """

    network: Transformer
    tokenizer: Tokenizer
    encode: Callable[[Sequence[str]], Examples]

    @property
    def table(self) -> Float[Tensor, "V E"]:
        """The vector of each token."""
        return token_table(self.network)

    def gradients(
        self, examples: Examples, targets: Sequence[int]
    ) -> tuple[float, list[Float[Tensor, "T E"]]]:
        """Mean loss of the targets, and of each text its gradient by each token's vector.

        Raises:
            SettingsError: The model reads its text twice.
        """
        if self.network.spec.topology == "encoder-decoder":
            raise SettingsError(
                "Attacks by gradient are for encoders and decoders; choose others with --attacks."
            )
        device = device_of(self.network)
        with torch.enable_grad(), vectors_of_tokens(self.network) as vectors:
            packed = examples.pack(range(len(examples)), device)
            logits = class_logits(self.network, packed).float()
            wanted = torch.tensor(list(targets), device=logits.device)
            loss = F.cross_entropy(logits, wanted, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, vectors)
        each = list(gradient.split(examples.lengths))
        return loss.item() / len(targets), each
