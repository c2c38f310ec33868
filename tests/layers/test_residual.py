"""Where the norms and the dropout of a block are."""

import pytest
import torch
from torch import Tensor, nn

from mason.layers import NormSpec, Residual
from tests.layers.oracle import Nothing

WIDTH = 7


def _residual(placement: str, **fields: object) -> Residual:
    torch.manual_seed(6)
    fields = {"dropout": 0.0} | fields
    block = Residual(nn.Linear(WIDTH, WIDTH), NormSpec(), WIDTH, placement=placement, **fields)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


def _rows() -> Tensor:
    return torch.randn(5, WIDTH)


def test_pre() -> None:
    r, x = _residual("pre"), _rows()
    assert torch.equal(r(x), x + r.block(r.before(x)))
    assert isinstance(r.before, nn.LayerNorm)


def test_post() -> None:
    r, x = _residual("post"), _rows()
    assert torch.equal(r(x), r.outside(x + r.block(x)))
    assert isinstance(r.outside, nn.LayerNorm)


def test_sandwich() -> None:
    r, x = _residual("sandwich"), _rows()
    assert torch.equal(r(x), x + r.after(r.block(r.before(x))))
    assert isinstance(r.before, nn.LayerNorm) and isinstance(r.after, nn.LayerNorm)


def test_without_its_first_norm() -> None:
    r, x = _residual("pre", first_norm=False), _rows()
    assert torch.equal(r(x), x + r.block(x))


@pytest.mark.parametrize("placement", ["pre", "post", "sandwich"])
def test_dropout_is_on_what_is_added(placement: str) -> None:
    r, x = _residual(placement, dropout=0.25), _rows()
    assert r.dropout.rate == 0.25
    r.dropout = Nothing()
    assert torch.equal(r(x), r.outside(x))
