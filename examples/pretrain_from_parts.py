"""Pretrain a small language model from the parts alone: a spec, the Transformer, plain PyTorch.

    python examples/pretrain_from_parts.py            # a decoder that predicts the next byte
    python examples/pretrain_from_parts.py masked     # an encoder that fills in hidden bytes

The corpus is this repository's own documentation, the vocabulary is the 256 bytes and a mask.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mason.layers import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    NormSpec,
    RotarySpec,
    StackSpec,
)
from mason.models import ModelSpec, Packed, Transformer, num_parameters

MASK, VOCABULARY, HIDDEN_SHARE = 256, 257, 0.15
STEPS, TOKENS_PER_STEP, LONGEST = 60, 1024, 64

Task = Callable[[Packed], tuple[Packed, Tensor, Tensor]]
"""What is read, the rows to answer for, and the right answers."""


def stack(*, causal: bool) -> StackSpec:
    """Llama's choices at a small size; the same stack is an encoder or a decoder."""
    return StackSpec(
        depth=3,
        embedding=EmbeddingSpec(VOCABULARY),
        attention=AttentionSpec(num_heads=4, num_kv_heads=2, bias=False, rotary=RotarySpec()),
        feed_forward=FeedForwardSpec(176, activation="silu", gated=True, bias=False),
        norm=NormSpec("rms"),
        placement="pre",
        final_norm=True,
        causal=causal,
    )


def corpus() -> Tensor:
    """The bytes of the documentation, one file after another."""
    root = Path(__file__).resolve().parents[1]
    files = [*sorted(root.glob("*.md")), *sorted(root.glob("docs/**/*.md"))]
    return torch.tensor(list(b"\n".join(file.read_bytes() for file in files)))


def batches(text: Tensor) -> Iterator[Packed]:
    """Pieces of many lengths from anywhere, packed end to end; nothing is padded."""
    while True:
        lengths = torch.randint(2, LONGEST + 1, (2 * TOKENS_PER_STEP // LONGEST,)).tolist()
        starts = torch.randint(len(text) - LONGEST, (len(lengths),)).tolist()
        yield Packed.of([text[s : s + n].tolist() for s, n in zip(starts, lengths, strict=True)])


def next_byte(batch: Packed) -> tuple[Packed, Tensor, Tensor]:
    """Every byte is asked for its follower, but the last of each piece has none."""
    followed = torch.ones(len(batch.tokens), dtype=torch.bool)
    followed[batch.layout.last] = False
    at = followed.nonzero().squeeze(1)
    return batch, at, batch.tokens[at + 1]


def hidden_bytes(batch: Packed) -> tuple[Packed, Tensor, Tensor]:
    """Some bytes are hidden behind the mask and asked for (Devlin et al. 2019)."""
    at = (torch.rand(len(batch.tokens)) < HIDDEN_SHARE).nonzero().squeeze(1)
    return Packed(batch.tokens.index_fill(0, at, MASK), batch.layout), at, batch.tokens[at]


def pretrain(model: Transformer, task: Task) -> Iterator[float]:
    """Train, and give the loss of each step, in bits a byte."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, STEPS, pct_start=0.1)
    for _, batch in zip(range(STEPS), batches(corpus()), strict=False):
        read, at, wanted = task(batch)
        loss = F.cross_entropy(model.logits("language", read, at=at), wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        yield loss.item() / torch.tensor(2.0).log().item()


def main(objective: str = "causal") -> list[float]:
    """Pretrain once and print how it goes."""
    torch.manual_seed(1)
    masked = objective == "masked"
    spec = ModelSpec(
        64,
        encoder=stack(causal=False) if masked else None,
        decoder=None if masked else stack(causal=True),
        heads={"language": HeadSpec(bias=False, tied=True)},
    )
    model = Transformer(spec)
    print(f"{spec.topology} with {num_parameters(model):,} parameters")
    losses = []
    for step, loss in enumerate(pretrain(model, hidden_bytes if masked else next_byte)):
        losses.append(loss)
        if step % 20 == 0 or step == STEPS - 1:
            print(f"step {step:3}  {loss:.2f} bits a byte", flush=True)
    return losses


if __name__ == "__main__":
    main(*sys.argv[1:])
