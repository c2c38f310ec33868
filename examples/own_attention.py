"""An attention of your own, dropped into the one Transformer without touching Mason.

    python examples/own_attention.py

Attention in linear time (Katharopoulos et al. 2020, arXiv:2006.16236): without the softmax, all
keys and values of a sequence are summed once, and every query reads that one sum.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mason.layers import AttentionPlan, AttentionSpec, EmbeddingSpec, HeadSpec, StackSpec
from mason.models import ModelSpec, Packed, Transformer


class LinearAttention(nn.Module):
    """Rows [T, D] of all sequences in, rows [T, D] out; ``plan`` says which row is whose."""

    def __init__(self, spec: AttentionSpec, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(
        self, x: Tensor, plan: AttentionPlan, biases: Sequence[Tensor | None], **others: object
    ) -> Tensor:
        query, key = F.elu(self.query(x)) + 1, F.elu(self.key(x)) + 1
        owner, num = plan.keys.sequences, len(plan.keys)
        pairs = key[:, :, None] * self.value(x)[:, None]  # [T, D, D]
        sums = x.new_zeros(num, *pairs.shape[1:]).index_add(0, owner, pairs)
        norms = x.new_zeros(num, x.shape[1]).index_add(0, owner, key)
        mixed = (query[:, None] @ sums[owner])[:, 0]
        return mixed / (query * norms[owner]).sum(-1, keepdim=True)


def main(steps: int = 80) -> list[float]:
    """Learn which of five symbols a sequence holds most often; give the losses."""
    torch.manual_seed(1)
    stack = StackSpec(2, EmbeddingSpec(5), AttentionSpec(kind=LinearAttention))
    head = HeadSpec(pool="first", outputs=5)
    model = Transformer(ModelSpec(24, encoder=stack, heads={"classification": head}))
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(steps):
        batch = [torch.randint(5, (int(n),)).tolist() for n in torch.randint(3, 20, (64,))]
        most = torch.tensor([max(range(5), key=row.count) for row in batch])
        loss = F.cross_entropy(model.logits("classification", Packed.of(batch)), most)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    print(f"loss {losses[0]:.2f} → {losses[-1]:.2f}")
    return losses


if __name__ == "__main__":
    main()
