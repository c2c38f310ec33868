"""Embeddings, token by token."""

import math

import pytest
import torch

from mason.errors import DataError
from mason.layers import Embedding, EmbeddingSpec, Layout, NormSpec
from mason.layers.positions import sinusoids

WIDTH, VOCABULARY = 11, 31
LENGTHS, PAST = [5, 2, 3], [0, 4, 1]
POSITIONS = [0, 1, 2, 3, 4, 4, 5, 1, 2, 3]
TOKENS = torch.tensor([3, 30, 7, 7, 0, 2, 29, 11, 13, 1])
TYPES = torch.tensor([0, 0, 1, 1, 1, 2, 0, 1, 2, 0])


def _embedding(**fields: object) -> Embedding:
    torch.manual_seed(7)
    spec = EmbeddingSpec(vocab_size=VOCABULARY, num_positions=7, **fields)
    return Embedding(spec, WIDTH).double().eval()


def _expected(embedding: Embedding, *, types: bool = True) -> torch.Tensor:
    spec, rows = embedding.spec, []
    for token, position, kind in zip(TOKENS, POSITIONS, TYPES, strict=True):
        inner = spec.width or WIDTH
        row = embedding.tokens.weight[token] * (math.sqrt(inner) if spec.scale else 1)
        if spec.positions == "learned":
            row = row + embedding.positions.weight[position + spec.position_offset]
        if spec.positions == "sinusoidal":
            row = row + sinusoids(7, inner)[position].double()
        if spec.num_token_types:
            row = row + embedding.token_types.weight[kind if types else 0]
        rows.append(embedding.norm(row))
    return embedding.project(torch.stack(rows))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scale": True},
        {"positions": "learned"},
        {"positions": "learned", "position_offset": 2},
        {"positions": "sinusoidal", "scale": True},
        {"num_token_types": 3, "positions": "learned", "norm": NormSpec()},
        {"width": 5, "positions": "learned", "norm": NormSpec()},
        {"width": 5, "scale": True},
        {"project": True},
    ],
    ids=str,
)
def test_sum_scale_norm_and_projection(fields: dict[str, object]) -> None:
    embedding = _embedding(**fields)
    found = embedding(TOKENS, Layout(LENGTHS, past=PAST), TYPES)
    assert found.shape == (10, WIDTH)
    assert torch.allclose(found, _expected(embedding), atol=1e-6)


def test_without_token_types_all_are_the_first() -> None:
    embedding = _embedding(num_token_types=3)
    found = embedding(TOKENS, Layout(LENGTHS, past=PAST))
    assert torch.allclose(found, _expected(embedding, types=False))


@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
def test_a_sequence_beyond_the_table_is_refused(kind: str) -> None:
    embedding = _embedding(positions=kind, position_offset=2)
    tokens = torch.zeros(7, dtype=torch.long)
    embedding(tokens, Layout([7]))
    embedding(tokens[:2], Layout([2], past=[5]))
    sentence = "A sequence has 8 tokens, but the model has 7 positions; cut the text to 7 tokens."
    with pytest.raises(DataError) as caught:
        embedding(tokens[:4], Layout([1, 3], past=[0, 5]))
    assert str(caught.value) == sentence


def test_scaling_in_half_precision_rounds_the_factor_first() -> None:
    """As Gemma was trained: the factor is in the table's dtype."""
    embedding = _embedding(scale=True).bfloat16()
    factor = torch.tensor(math.sqrt(WIDTH), dtype=torch.bfloat16)
    expected = embedding.tokens.weight[TOKENS] * factor
    assert torch.equal(embedding(TOKENS, Layout(LENGTHS)), expected)


def test_dropout_is_for_training() -> None:
    embedding = _embedding(dropout=0.5)
    still = embedding(TOKENS, Layout(LENGTHS))
    dropped = embedding.train()(TOKENS, Layout(LENGTHS))
    zeros = (dropped == 0).double().mean()
    assert 0.3 < zeros < 0.7
    assert torch.allclose(dropped[dropped != 0], 2 * still[dropped != 0])
