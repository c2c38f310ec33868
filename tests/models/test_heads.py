"""Heads: which rows they read, and in which order their parts come."""

import math

import pytest
import torch
from torch import nn

from mason.errors import SettingsError
from mason.layers import HeadSpec, Layout, NormSpec
from mason.models.heads import Head
from tests.layers.oracle import Nothing
from tests.models.small import build, streams

WIDTH, LAYOUT = 7, Layout([3, 1, 2])


def _head(outputs: int = 5, **fields: object) -> Head:
    torch.manual_seed(4)
    head = Head(HeadSpec(**fields), WIDTH, outputs).double()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head.eval()


def _hidden() -> torch.Tensor:
    return torch.randn(6, WIDTH, dtype=torch.float64)


def test_which_rows_are_read() -> None:
    hidden = _hidden()
    expected = {
        "first": hidden[[0, 3, 4]],
        "last": hidden[[2, 3, 5]],
        "mean": torch.stack([hidden[:3].mean(0), hidden[3], hidden[4:].mean(0)]),
        None: hidden,
    }
    for pool, rows in expected.items():
        assert torch.allclose(_head(pool=pool).pool(hidden, LAYOUT), rows), pool


def test_dense_activation_norm_output() -> None:
    head = _head(dense=True, dense_width=11, activation="tanh", norm=NormSpec())
    rows = _hidden()
    inner = torch.tanh(rows @ head.dense.weight.T + head.dense.bias)
    expected = head.norm(inner) @ head.output.weight.T + head.output.bias
    assert head.dense.weight.shape == (11, WIDTH)
    assert torch.allclose(head(rows), expected)


def test_scale_softcap_and_biases() -> None:
    rows = _hidden()
    head = _head(scale=True, bias=False)
    assert head.output.bias is None
    assert torch.allclose(head(rows), rows @ head.output.weight.T / math.sqrt(WIDTH))
    head = _head(softcap=0.5)
    plain = rows @ head.output.weight.T + head.output.bias
    assert torch.allclose(head(rows), 0.5 * torch.tanh(plain / 0.5))
    assert _head(dense=True, dense_bias=False).dense.bias is None


def test_dropout_before_and_after_the_dense_map() -> None:
    rows, head = _hidden(), _head(input_dropout=0.25, dropout=0.5, dense=True)
    assert (head.input_dropout.rate, head.dropout.rate) == (0.25, 0.5)
    head.input_dropout = Nothing()
    assert torch.allclose(head(rows), head.output(head.dense.bias).expand(6, 5))
    head.dropout = Nothing()
    assert torch.allclose(head(rows), head.output.bias.expand(6, 5))


def test_without_an_output_matrix_the_rows_come_out() -> None:
    head = _head(0, dense=True, activation="tanh")
    rows = _hidden()
    assert torch.allclose(head(rows), torch.tanh(head.dense(rows)))


def test_logits_at_chosen_rows() -> None:
    model, batch = build("encoder"), streams("encoder", [5, 3])
    everywhere = model.logits("language", *batch)
    at = torch.tensor([6, 1])
    assert torch.allclose(model.logits("language", *batch, at=at), everywhere[at])
    assert everywhere.shape == (8, 31)
    assert model.logits("classification", *batch).shape == (2, 5)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(SettingsError, match="no head 'regression'; it has language, classif"):
        build("encoder").logits("regression", *streams("encoder", [3]))
