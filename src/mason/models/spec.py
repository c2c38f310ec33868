"""The one description of a model: which stacks are there gives the topology."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mason.errors import SettingsError
from mason.layers import HeadSpec, StackSpec

Topology = Literal["encoder", "decoder", "encoder-decoder"]


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids with a meaning to the model; None where it has none."""

    pad: int | None = None
    bos: int | None = None
    eos: int | tuple[int, ...] | None = None
    decoder_start: int | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A Transformer: an encoder, a decoder or both, and heads by name."""

    width: int = 768
    encoder: StackSpec | None = None
    decoder: StackSpec | None = None
    heads: Mapping[str, HeadSpec] = field(default_factory=dict)
    share_embeddings: bool = True
    """The decoder's token vectors are the encoder's, where there are both."""
    initial_std: float = 0.02
    """Standard deviation of fresh weights."""
    special: SpecialTokens = SpecialTokens()
    labels: tuple[str, ...] = ()
    """What the outputs of the classification head, or of the tagging head, mean."""

    def __post_init__(self) -> None:
        """Refuse stacks that do not fit together."""
        if self.encoder is None and self.decoder is None:
            raise SettingsError("A model needs an encoder, a decoder or both; give it one.")
        if self.encoder is not None and self.encoder.cross:
            raise SettingsError(
                "An encoder has nothing to cross to; set cross on the decoder alone."
            )
        if self.decoder is not None and self.decoder.cross != (self.encoder is not None):
            raise SettingsError(
                "A decoder attends to an encoder exactly where there is one; set the decoder's "
                "cross to {wanted}.",
                wanted=self.encoder is not None,
            )
        if self.encoder and self.decoder and self.share_embeddings:
            ours, theirs = self.encoder.embedding, self.decoder.embedding
            if (ours.vocab_size, ours.width) != (theirs.vocab_size, theirs.width):
                raise SettingsError(
                    "The encoder's embedding is {ours} and the decoder's {theirs}, so they cannot "
                    "be shared; set share_embeddings to false or make them alike.",
                    ours=f"{ours.vocab_size} × {ours.width or self.width}",
                    theirs=f"{theirs.vocab_size} × {theirs.width or self.width}",
                )

    @property
    def topology(self) -> Topology:
        """Which stacks there are."""
        if self.encoder and self.decoder:
            return "encoder-decoder"
        return "encoder" if self.encoder else "decoder"

    @property
    def stack(self) -> StackSpec:
        """The stack whose hidden states the heads read."""
        stack = self.decoder or self.encoder
        assert stack is not None, "a model needs a stack"
        return stack

    @property
    def input_stack(self) -> StackSpec:
        """The stack that reads the text."""
        stack = self.encoder or self.decoder
        assert stack is not None, "a model needs a stack"
        return stack

    @property
    def vocab_size(self) -> int:
        """Rows of the token embedding the text goes through."""
        return self.input_stack.embedding.vocab_size

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the positions allow; None where there is no hard limit."""
        embedding = self.input_stack.embedding
        return embedding.num_positions if embedding.positions else None
