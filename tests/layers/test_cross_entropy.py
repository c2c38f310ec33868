"""The loss of a linear layer by chunks: what plain PyTorch gives, and never all logits."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mason.layers.cross_entropy import linear_cross_entropy

ROWS, WIDTH, SIZE = 37, 16, 211


def _inputs(
    dtype: torch.dtype = torch.float32, *, bias: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    torch.manual_seed(3)
    hidden = torch.randn(ROWS, WIDTH, dtype=dtype, requires_grad=True)
    weight = torch.randn(SIZE, WIDTH, dtype=dtype, requires_grad=True)
    added = torch.randn(SIZE, dtype=dtype, requires_grad=True) if bias else None
    return hidden, weight, added, torch.randint(SIZE, (ROWS,))


def _plain(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    smoothing: float = 0.0,
    softcap: float | None = None,
) -> torch.Tensor:
    logits = F.linear(hidden, weight, bias).float()
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)


def _distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())


@pytest.mark.parametrize("chunk", [1, 5, ROWS, 1000])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("smoothing", "softcap"), [(0.0, None), (0.1, None), (0.1, 3.0)])
def test_loss_and_gradients_are_those_of_plain_logits(
    chunk: int, bias: bool, smoothing: float, softcap: float | None
) -> None:
    inputs = _inputs(bias=bias)
    wanted = [x for x in inputs[:3] if x is not None]
    ours = linear_cross_entropy(*inputs, label_smoothing=smoothing, softcap=softcap, chunk=chunk)
    theirs = _plain(*inputs, smoothing, softcap)
    assert _distance(ours, theirs) < 1e-6
    for mine, other in zip(
        torch.autograd.grad(ours / ROWS, wanted),
        torch.autograd.grad(theirs / ROWS, wanted),
        strict=True,
    ):
        assert _distance(mine, other) < 2e-6


@pytest.mark.parametrize(("smoothing", "softcap"), [(0.0, None), (0.2, 2.0)])
def test_gradients_are_those_of_finite_differences(smoothing: float, softcap: float | None) -> None:
    hidden, weight, bias, targets = _inputs(torch.float64)
    assert bias is not None
    torch.autograd.gradcheck(
        lambda h, w, b: linear_cross_entropy(
            h, w, b, targets[:5] % 13, label_smoothing=smoothing, softcap=softcap, chunk=2
        ),
        _small(hidden[:5], weight[:13], bias[:13]),
    )


def _small(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(t.detach().clone().requires_grad_() for t in tensors)


def test_a_tied_weight_has_both_gradients() -> None:
    _, weight, _, targets = _inputs()
    tokens = torch.randint(SIZE, (ROWS,))
    ours = linear_cross_entropy(F.embedding(tokens, weight), weight, None, targets, chunk=8)
    theirs = _plain(F.embedding(tokens, weight), weight, None, targets)
    mine, other = (torch.autograd.grad(loss, weight)[0] for loss in (ours, theirs))
    assert _distance(mine, other) < 2e-6


def test_under_autocast_the_products_are_bf16_and_the_sums_fp32() -> None:
    hidden, weight, bias, targets = _inputs()
    assert bias is not None
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear_cross_entropy(hidden, weight, bias, targets, chunk=8)
        theirs = _plain(hidden, weight, bias, targets)
    exact = _plain(hidden, weight, bias, targets)
    assert ours.dtype == torch.float32
    assert abs(ours - exact) <= 1.5 * abs(theirs - exact) + 1e-3 * exact
    grads = torch.autograd.grad(ours, (hidden, weight, bias))
    for mine, other in zip(grads, torch.autograd.grad(exact, (hidden, weight, bias)), strict=True):
        assert mine.dtype == torch.float32
        assert _distance(mine, other) < 2e-2


def test_a_second_backward_gives_the_same() -> None:
    hidden, weight, bias, targets = _inputs()
    loss = linear_cross_entropy(hidden, weight, bias, targets, chunk=8)
    first = torch.autograd.grad(loss / 7, (hidden, weight), retain_graph=True)
    second = torch.autograd.grad(loss / 7, (hidden, weight))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_only_the_gradients_asked_for_are_made() -> None:
    hidden, weight, bias, targets = _inputs()
    frozen = weight.detach()
    linear_cross_entropy(hidden, frozen, bias, targets).backward()
    assert hidden.grad is not None and frozen.grad is None
    with torch.no_grad(), _Watch() as watch:
        assert not linear_cross_entropy(hidden, weight, bias, targets, chunk=10).requires_grad
    assert watch.products == 4


def test_no_tensor_of_all_logits_is_ever_made() -> None:
    inputs = _inputs()
    with _Watch() as watch:
        linear_cross_entropy(*inputs, chunk=4).backward()
    assert watch.largest == SIZE * WIDTH < ROWS * SIZE


class _Watch(TorchDispatchMode):
    """Counts the matrix products and remembers the largest tensor."""

    largest = products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        self.products += "mm" in str(func)
        for x in found if isinstance(found, tuple) else (found,):
            if isinstance(x, torch.Tensor):
                self.largest = max(self.largest, x.numel())
        return found


def test_no_rows_lose_nothing() -> None:
    hidden, weight, bias, targets = _inputs()
    loss = linear_cross_entropy(hidden[:0], weight, bias, targets[:0])
    loss.backward()
    assert loss.item() == 0
    assert weight.grad is not None and not weight.grad.any()
