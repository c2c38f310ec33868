"""A decoder that is fed piece by piece and remembers what it has read."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from mason.layers import Cache
from mason.models.packed import Packed
from mason.models.transformer import Transformer


class Decoding:
    """N sequences on their way through a decoder, with caches for self- and cross-attention.

    Args:
        model: A model with a decoder.
        num_sequences: N.
        capacity: Most tokens a sequence will have.
        source: What the encoder reads, where there is one; sequence *i* of it belongs to
            sequence *i* here.
    """

    def __init__(
        self, model: Transformer, num_sequences: int, capacity: int, source: Packed | None = None
    ) -> None:
        assert model.spec.decoder is not None, "only a decoder decodes"
        depth = model.spec.decoder.depth
        self.model, self.source = model, source
        self.cache = Cache(depth, num_sequences, capacity)
        self.cross_cache: Cache | None = None
        self._encoded: Tensor | None = None
        if source is not None:
            assert model.encoder is not None, "a lone decoder has no source"
            self.cross_cache = Cache(depth, num_sequences, max(source.lengths))
            self._encoded = model.encoder(source)

    def read(self, new: Packed) -> Float[Tensor, "T D"]:
        """Hidden states of the next tokens: one piece, of any length, for each sequence."""
        if self.source is None:
            hidden: Tensor = self.model(new, cache=self.cache)
            return hidden
        # Given once: from then on the cross-attention cache holds its keys and values.
        encoded, self._encoded = self._encoded, None
        return self.model.decode(
            new, encoded, self.source, cache=self.cache, cross_cache=self.cross_cache
        )

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences only, numbered from 0 in the order given."""
        for cache in (self.cache, self.cross_cache):
            if cache is not None:
                cache.keep(sequences)


def start_decoding(
    model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> tuple[Decoding, list[list[int]]]:
    """A decoding of these prompts and the first tokens to feed to it.

    A lone decoder reads the prompts themselves; where there is an encoder, it reads them
    and the decoder begins with its start token.
    """
    device = next(model.parameters()).device
    if model.encoder is None:
        first = [list(prompt) for prompt in prompts]
        return Decoding(model, len(first), max(map(len, first)) + max_new_tokens), first
    start = model.spec.special.decoder_start or 0
    source = Packed.of(prompts, device=device)
    return Decoding(model, len(prompts), max_new_tokens + 1, source), [[start]] * len(prompts)
