"""A user's own attention, norm, feed-forward and embedding, in every topology, trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import (
    AttentionPlan,
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    Layout,
    NormSpec,
    attentions,
    embeddings,
    feed_forwards,
    norms,
)
from mason.models.spec import ModelSpec, Topology
from mason.models.transformer import Transformer
from tests.models.small import SPECS, TOPOLOGIES, VOCABULARY, singles, streams


@attentions.register("test_linear")
class LinearAttention(nn.Module):
    """Attention without softmax (Katharopoulos et al. 2020), in linear time."""

    causal = False

    def __init__(self, spec: AttentionSpec, width: int, *, cross: bool = False) -> None:
        super().__init__()
        self.cross, inner = cross, spec.num_heads * spec.head_width_in(width)
        self.query = nn.Linear(width, inner)
        self.key_value = nn.Linear(width, inner + width)

    def forward(
        self,
        x: Tensor,
        plan: AttentionPlan,
        biases: Sequence[Tensor | None],
        *,
        source: Tensor | None = None,
        **others: object,
    ) -> Tensor:
        read = x if source is None else source
        key, value = self.key_value(read).split([self.query.out_features, x.shape[1]], dim=-1)
        query, key = F.elu(self.query(x)) + 1, F.elu(key) + 1
        mixed = []
        for q, k in zip(_rows(plan.queries), _rows(plan.keys), strict=True):
            seen = key[k, :, None] * value[k, None]
            if self.causal and not self.cross:
                sums, norms = seen.cumsum(0), key[k].cumsum(0)
            else:
                sums, norms = seen.sum(0, keepdim=True), key[k].sum(0, keepdim=True)
            top = (query[q, None] @ sums)[:, 0]
            mixed.append(top / (query[q] * norms).sum(-1, keepdim=True))
        return torch.cat(mixed)


@attentions.register("test_causal_linear")
class CausalLinearAttention(LinearAttention):
    causal = True


def _rows(layout: Layout) -> list[slice]:
    return [slice(s, s + n) for s, n in zip(layout.starts, layout.lengths, strict=True)]


@dataclass(frozen=True)
class PowerNormSpec(NormSpec):
    """A spec with a field of its own."""

    power: float = 3.0


@norms.register("test_power")
class PowerNorm(nn.Module):
    def __init__(self, spec: NormSpec, width: int) -> None:
        super().__init__()
        assert isinstance(spec, PowerNormSpec)
        self.spec, self.gain = spec, nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        size = x.abs().pow(self.spec.power).mean(-1, keepdim=True) + self.spec.epsilon
        return self.gain * x / size ** (1 / self.spec.power)


@feed_forwards.register("test_maxout")
class Maxout(nn.Module):
    def __init__(self, spec: FeedForwardSpec, width: int) -> None:
        super().__init__()
        self.pieces, self.output = nn.Linear(width, 2 * spec.width), nn.Linear(spec.width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.output(self.pieces(x).unflatten(-1, (2, -1)).amax(-2))
        return out


@embeddings.register("test_hashed")
class HashedEmbedding(nn.Module):
    """Two small tables instead of one large one, and no table a head could be tied to."""

    def __init__(self, spec: EmbeddingSpec, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(7, width), nn.Embedding(11, width)

    def forward(self, tokens: Tensor, layout: Layout, token_types: Tensor | None) -> Tensor:
        summed: Tensor = self.first(tokens % 7) + self.second(tokens % 11)
        return summed


BLOCKS: dict[str, dict[str, type]] = {
    "attention": {"test_linear": LinearAttention, "test_causal_linear": CausalLinearAttention},
    "norm": {"test_power": PowerNorm},
    "feed_forward": {"test_maxout": Maxout},
    "embedding": {"test_hashed": HashedEmbedding},
}


def _spec(topology: Topology, kind: str, *, by_name: bool) -> ModelSpec:
    spec = SPECS[topology]
    for side in ("encoder", "decoder"):
        stack = getattr(spec, side)
        if stack is None:
            continue
        name = list(BLOCKS[kind])[-1 if side == "decoder" else 0]
        chosen = name if by_name else BLOCKS[kind][name]
        block = replace(getattr(stack, kind), kind=chosen)
        if kind == "norm":
            block = PowerNormSpec(chosen)
        spec = replace(spec, **{side: replace(stack, **{kind: block})})
    if kind == "embedding":  # nothing to share and nothing to be tied to
        language = replace(spec.heads["language"], tied=False)
        spec = replace(spec, heads={**spec.heads, "language": language}, share_embeddings=False)
    return spec


def _own_modules(model: Transformer, kind: str) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, tuple(BLOCKS[kind].values()))]


@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by class"])
@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_own_blocks_learn_and_keep_sequences_apart(
    topology: Topology, kind: str, by_name: bool
) -> None:
    torch.manual_seed(8)
    model = Transformer(_spec(topology, kind, by_name=by_name))
    own = _own_modules(model, kind)
    assert len(own) >= (1 if kind == "embedding" else 2)
    before = [p.detach().clone() for m in own for p in m.parameters()]
    batch = streams(topology, [7, 2, 11, 3])
    wanted = (batch[-1].tokens * 7 + 3) % VOCABULARY
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(3):
        loss = F.cross_entropy(model.logits("language", *batch), wanted)
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert losses[0] > losses[1] > losses[2]
    after = [p for m in own for p in m.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    model.double().eval()
    with torch.no_grad():
        alone = torch.cat([model(*single) for single in singles(batch)])
        assert torch.allclose(model(*batch), alone, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "noun", "near"),
    [
        ("attention", "attention", "test_liner"),
        ("norm", "norm", "test_powr"),
        ("feed_forward", "feed-forward", "test_maxou"),
        ("embedding", "embedding", "test_hash"),
    ],
)
def test_an_unknown_name_gets_one_sentence(kind: str, noun: str, near: str) -> None:
    stack = SPECS["encoder"].encoder
    assert stack is not None
    block = replace(getattr(stack, kind), kind=near)
    with pytest.raises(SettingsError) as caught:
        Transformer(replace(SPECS["encoder"], encoder=replace(stack, **{kind: block})))
    said = str(caught.value)
    assert said.startswith(f"No {noun} block is called '{near}' (test_")
    assert said.endswith(", or give a class of your own.")
