"""Small models of each topology, every size a number of its own, weights large enough to tell."""

from dataclasses import replace

import torch

from mason.layers import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    NormSpec,
    RelativeSpec,
    RotarySpec,
    StackSpec,
)
from mason.models.packed import Packed
from mason.models.spec import ModelSpec, Topology
from mason.models.transformer import Transformer

WIDTH, VOCABULARY, LONGEST = 23, 31, 29
HEADS = {
    "language": HeadSpec(dense=True, activation="gelu", norm=NormSpec(), tied=True),
    "classification": HeadSpec(pool="mean", outputs=5),
}
ENCODER = StackSpec(
    depth=2,
    embedding=EmbeddingSpec(
        VOCABULARY, positions="learned", num_positions=LONGEST, num_token_types=3, norm=NormSpec()
    ),
    attention=AttentionSpec(num_heads=6, head_width=7),
    feed_forward=FeedForwardSpec(width=37),
)
DECODER = StackSpec(
    depth=3,
    embedding=EmbeddingSpec(VOCABULARY),
    attention=AttentionSpec(
        num_heads=6, num_kv_heads=3, head_width=10, bias=False, rotary=RotarySpec(101.0)
    ),
    feed_forward=FeedForwardSpec(width=41, activation="silu", gated=True, bias=False),
    norm=NormSpec("rms"),
    placement="pre",
    final_norm=True,
    causal=True,
    pattern=("full", "local", "full"),
    window=3,
)
SPECS: dict[Topology, ModelSpec] = {
    "encoder": ModelSpec(WIDTH, encoder=ENCODER, heads=HEADS, initial_std=0.2),
    "decoder": ModelSpec(WIDTH, decoder=DECODER, heads=HEADS, initial_std=0.2),
    "encoder-decoder": ModelSpec(
        WIDTH,
        encoder=replace(ENCODER, relative=RelativeSpec(8, 11), placement="sandwich"),
        decoder=replace(DECODER, cross=True, depth=2, pattern=(), window=None),
        heads=HEADS,
        initial_std=0.2,
    ),
}
TOPOLOGIES = tuple(SPECS)
Streams = tuple[Packed, ...]
"""A source, and a target where the topology has one."""


def build(topology: Topology, dtype: torch.dtype = torch.float64) -> Transformer:
    """A model in evaluation mode whose every weight matters."""
    torch.manual_seed(13)
    model = Transformer(SPECS[topology])
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.2)
    return model.to(dtype).eval()


def sequences(lengths: list[int], seed: int) -> list[list[int]]:
    """Random token ids."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def streams(topology: Topology, lengths: list[int], seed: int = 0) -> Streams:
    """A batch for the topology; targets are of other lengths than sources."""
    source = sequences(lengths, seed)
    if topology == "encoder":
        return (Packed.of(source, [[t % 3 for t in s] for s in source]),)
    if topology == "decoder":
        return (Packed.of(source),)
    targets = [n % 11 + 1 for n in reversed(lengths)]
    return Packed.of(source), Packed.of(sequences(targets, seed + 1))


def singles(batch: Streams) -> list[Streams]:
    """Each sequence of a batch, or pair of sequences, alone."""
    parts = [_singles(stream) for stream in batch]
    return list(zip(*parts, strict=True))


def _singles(stream: Packed) -> list[Packed]:
    tokens = stream.tokens.split(stream.lengths)
    types: list[torch.Tensor | None] = [None] * len(tokens)
    if stream.token_types is not None:
        types = list(stream.token_types.split(stream.lengths))
    return [
        Packed.of([t.tolist()], None if k is None else [k.tolist()])
        for t, k in zip(tokens, types, strict=True)
    ]
