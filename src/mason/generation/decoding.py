"""A decoder that is fed piece by piece and remembers what it has read."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import DataError
from mason.layers import Cache, PagedCache, Pages, native
from mason.models.decoder_calls import DecoderCall, call_of
from mason.models.few_bits import held_in_few_bits
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of


class Decoding:
    """N sequences on their way through a decoder, with caches for self- and cross-attention.

    Args:
        model: A model with a decoder.
        num_sequences: N.
        capacity: Most tokens a sequence will have.
        source: What the encoder reads, where there is one; sequence *i* of it belongs to
            sequence *i* here.
        pages: Where self-attention's keys and values are held; None: in a cache with a row of
            ``capacity`` places for each sequence. The source's are always held so.
    """

    def __init__(
        self,
        model: Transformer,
        num_sequences: int,
        capacity: int,
        source: Packed | None = None,
        *,
        pages: Pages | None = None,
    ) -> None:
        assert model.spec.decoder is not None, "only a decoder decodes"
        depth = model.spec.decoder.depth
        self.model, self.source = model, source
        self._virtual = num_virtual(model)
        capacity += self._virtual
        dtype = self._cache_dtype()
        self.cache = (
            Cache(depth, num_sequences, capacity, dtype)
            if pages is None
            else PagedCache(pages, num_sequences, capacity, dtype)
        )
        self.cross_cache: Cache | None = None
        self._encoded: Tensor | None = None
        self._sources = list(range(num_sequences))
        if source is not None:
            assert model.encoder is not None, "a lone decoder has no source"
            self.cross_cache = Cache(depth, num_sequences, max(source.lengths))
            self._encoded = model.encoder(source)

    def _cache_dtype(self) -> torch.dtype | None:
        """What rounded weights give is not worth twice the memory to look back at.

        By the model alone, so that an answer does not depend on what is read beside it. Without
        the kernels it is kept as the rows are, for it would be widened at each step.
        """
        served = native.library() is not None and held_in_few_bits(self.model)
        return torch.bfloat16 if served and self._call is not None else None

    @cached_property
    def _call(self) -> DecoderCall | None:
        """The decoder's layers as one call of a kernel, where there is one."""
        decoder = self.model.decoder
        return None if decoder is None or self.source is not None else call_of(decoder)

    def read(
        self,
        new: Packed,
        *,
        at: Int[Tensor, "R"] | None = None,
        sequences: Sequence[int] | None = None,
    ) -> Float[Tensor, "R D"]:
        """Hidden states of the next tokens, or of those asked for.

        Args:
            new: One piece, of any length, for each sequence.
            at: Rows to give; None: all.
            sequences: Those that ``new`` belongs to; None: all.
        """
        self.cache.active = sequences
        with native.decoding():
            if self._call is not None and self._call.serves(new, self.cache):
                return self._call(new, self.cache, at)
            if self.source is None:
                hidden: Tensor = self.model(new, cache=self.cache, at=at)
                return hidden
            # Given once: from then on the cross-attention cache holds its keys and values.
            encoded, self._encoded = self._encoded, None
            return self.model.decode(
                new, encoded, self.source, cache=self.cache, cross_cache=self.cross_cache, at=at
            )

    def logits(self, hidden: Float[Tensor, "R D"]) -> Float[Tensor, "R V"]:
        """What may follow, in fp32, for some of the rows that were read."""
        with native.decoding():
            logits: Tensor = self.model.heads["language"](hidden)
        return logits.float()

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences, numbered from 0 in the order given; one may come twice."""
        assert self._encoded is None, "the first tokens come before the choice"
        self.cache.keep(sequences)
        sources = [self._sources[i] for i in sequences]
        if self.cross_cache is not None and sources != self._sources:
            self.cross_cache.keep(sequences)
        self._sources = sources

    def admit(self, count: int = 1) -> None:
        """Begin with so many new sequences behind those there are; for a lone decoder in pages."""
        assert self.source is None and isinstance(self.cache, PagedCache), "rows are given out once"
        self.cache.admit(count)
        self._sources = list(range(len(self.cache)))

    def fork(self, sequences: Sequence[int]) -> "Decoding":
        """A copy that goes on with these sequences, one perhaps many times; this one stays.

        For a lone decoder: what it has read so far is read once for all that follows.
        """
        assert self.source is None, "an encoder's rows are not copied"
        twin = Decoding(self.model, len(sequences), self.capacity)
        twin.cache = self.cache.fork(sequences)
        return twin

    @property
    def capacity(self) -> int:
        """Most tokens a sequence will have."""
        return self.cache.capacity - self._virtual

    @property
    def lengths(self) -> list[int]:
        """Tokens that were read of each sequence."""
        return [max(0, n - self._virtual) for n in self.cache.lengths]

    def forget(self, lengths: Sequence[int]) -> None:
        """Go back to the first ``lengths`` tokens of each sequence."""
        self.cache.forget([n + self._virtual for n in lengths])


def held_bytes(model: Transformer) -> int:
    """Bytes of keys and values that a token takes in all layers, in fp32."""
    spec = model.spec
    assert spec.decoder is not None, "only a decoder decodes"
    attention = spec.stack.attention
    heads = attention.num_kv_heads or attention.num_heads
    return 2 * 4 * spec.decoder.depth * heads * attention.head_width_in(spec.width)


def num_virtual(model: Transformer) -> int:
    """Virtual tokens before every text of a model; see ``mason.layers.adapters.fronts``."""
    fronts = model.decoder.fronts if model.decoder is not None else None
    return fronts.chosen.num_rows if fronts is not None and fronts.chosen is not None else 0


def most_virtual(model: Transformer) -> int:
    """The same, whichever of its adapters is in force."""
    fronts = model.decoder.fronts if model.decoder is not None else None
    every: Any = fronts.adapters.values() if fronts is not None else ()
    return max((front.num_rows for front in every), default=0)


def start_decoding(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    pages: Pages | None = None,
) -> tuple[Decoding, list[list[int]]]:
    """A decoding of these prompts and the first tokens to feed to it.

    A lone decoder reads the prompts themselves; where there is an encoder, it reads them
    and the decoder begins with its start token.
    """
    if model.encoder is None:
        first = [list(prompt) for prompt in prompts]
        return Decoding(
            model, len(first), max(map(len, first)) + max_new_tokens, pages=pages
        ), first
    start = model.spec.special.decoder_start or 0
    source = Packed.of(prompts, device=device_of(model))
    first = [[start] for _ in prompts]
    return Decoding(model, len(prompts), max_new_tokens + 1, source, pages=pages), first


def prefill(
    decoding: Decoding, first: Sequence[Sequence[int]], chunk: int | None
) -> Float[Tensor, "N D"]:
    """Feed the first tokens, ``chunk`` of each sequence at a time; the last one's rows.

    Args:
        decoding: Nothing was fed to it yet.
        first: Tokens of each sequence.
        chunk: Most tokens of a sequence at once; None: all.
    """
    device = device_of(decoding.model)
    chunk = chunk or max(map(len, first))
    rows: list[Tensor | None] = [None] * len(first)
    for start in range(0, max(map(len, first)), chunk):
        reading = [i for i, tokens in enumerate(first) if len(tokens) > start]
        new = Packed.of([first[i][start : start + chunk] for i in reading], device=device)
        hidden = decoding.read(new, at=new.layout.last, sequences=reading)
        for i, row in zip(reading, hidden, strict=True):
            rows[i] = row
    return torch.stack([row for row in rows if row is not None])


def check_prompts(
    model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> None:
    """Refuse what the model cannot read or has no room to answer.

    Raises:
        DataError: A prompt is empty, or the positions do not reach far enough.
    """
    spec = model.spec
    for row, prompt in enumerate(prompts, start=1):
        if not prompt:
            raise DataError("Prompt {row} is empty; write something to go on from.", row=row)
        limit, needed = spec.max_tokens, len(prompt) + most_virtual(model)
        if spec.encoder is None:
            needed += max_new_tokens
        if limit is not None and needed > limit:
            raise DataError(
                "Prompt {row} has {length} tokens and needs {needed} positions with the new ones, "
                "but the model has {limit}; shorten it or ask for fewer new tokens.",
                row=row,
                length=len(prompt),
                needed=needed,
                limit=limit,
            )
    embedding = spec.stack.embedding
    if spec.encoder and embedding.positions and max_new_tokens > embedding.num_positions:
        raise DataError(
            "{count} new tokens are asked for, but the decoder has {limit} positions; ask for "
            "fewer.",
            count=max_new_tokens,
            limit=embedding.num_positions,
        )
