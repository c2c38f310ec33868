"""Norms and activations by the compiled kernels that training uses, beside PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mason.layers import native
from mason.layers.activations import ACTIVATIONS
from mason.layers.feed_forward import FeedForward
from mason.layers.norms import LayerNorm, RMSNorm
from mason.layers.specs import FeedForwardSpec, NormSpec

COMPILED = native.library()
VARIANTS = [] if COMPILED is None else COMPILED.variants
WIDTH = 53  # no whole number of vectors


def _grads(module: torch.nn.Module, x: Tensor) -> list[Tensor]:
    """What comes out, and every gradient."""
    x = x.detach().requires_grad_()
    module.zero_grad()
    out = module(x)
    grad = torch.linspace(-1, 1, out.numel()).bfloat16()
    out.backward(grad.view(out.shape).to(out.dtype))
    return [out, x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("offset", [False, True])
def test_norms(variant: str, dtype: torch.dtype, offset: bool) -> None:
    torch.manual_seed(0)
    x = (torch.randn(301, WIDTH) * 3 + 1).to(dtype)
    spec = NormSpec(kind="layer", epsilon=1e-5, unit_offset=offset)
    for module in (LayerNorm(spec, WIDTH), RMSNorm(spec, WIDTH)):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
        with native.using(None):
            # A bf16 path rounds on the way, so that both are held to the sums in fp32.
            exact = _grads(module, x.float())
        with native.using(variant):
            found = _grads(module, x)
        assert found[0].dtype is dtype
        near = {torch.float32: 2e-6, torch.bfloat16: 6e-3}[dtype]
        for ours, true in zip(found, exact, strict=True):
            assert (ours.float() - true).norm() <= near * true.norm()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(variant: str, dtype: torch.dtype, gated: bool, name: str) -> None:
    torch.manual_seed(0)
    block = FeedForward(FeedForwardSpec(width=WIDTH, activation=name, gated=gated), 16).to(dtype)
    x = (torch.randn(67, 16) * 2).to(dtype)
    with native.using(None):
        exact = _grads(block.float(), x.float())
    with native.using(variant):
        found = _grads(block.to(dtype), x)
    near = {torch.float32: 2e-6, torch.bfloat16: 2e-2}[dtype]
    for ours, true in zip(found, exact, strict=True):
        assert (ours.float() - true).norm() <= near * true.norm()


@pytest.mark.skipif(not VARIANTS, reason="the kernels are not built")
@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_what_products_read_is_rounded_once(kind: type[LayerNorm] | type[RMSNorm]) -> None:
    torch.manual_seed(0)
    module, x = kind(NormSpec(kind="layer"), 64), torch.randn(9, 64, requires_grad=True)
    wide = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(x).dtype is torch.float32, "others read it"
        module.feeds_products = True
        assert torch.equal(module(x), wide.bfloat16())


@pytest.mark.skipif(not VARIANTS, reason="the kernels are not built")
def test_threads_do_not_change_sums() -> None:
    torch.manual_seed(0)
    module, x = LayerNorm(NormSpec(kind="layer"), 96), torch.randn(1000, 96)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(_grads(module, x))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("biased", [False, True])
def test_losses_and_their_grads(variant: str, smoothing: float, biased: bool) -> None:
    torch.manual_seed(0)
    logits, targets = (torch.randn(67, 301) * 4).bfloat16(), torch.randint(0, 301, (67,))
    bias = torch.randn(301) if biased else None
    exact = (logits.float() + (bias if biased else 0)).requires_grad_()
    wanted = F.cross_entropy(exact, targets, reduction="none", label_smoothing=smoothing)
    wanted.sum().backward()
    with native.using(variant):
        kept = logits.clone()
        alone = native.cross_entropy(kept, bias, targets, smoothing, grads=False)
        assert torch.equal(kept, logits)
        losses = native.cross_entropy(kept, bias, targets, smoothing, grads=True)
    assert torch.equal(losses, alone)
    torch.testing.assert_close(losses, wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(kept.float(), exact.grad, rtol=5e-3, atol=1e-7)


@pytest.mark.skipif("amx" not in VARIANTS, reason="no compiled kernels, or no tiles of bf16")
@pytest.mark.parametrize("rows", [1, 64, 700, 1100])
@pytest.mark.parametrize("outputs, inputs", [(96, 64), (50, 77)])
def test_the_grad_of_a_weight(rows: int, outputs: int, inputs: int) -> None:
    torch.manual_seed(0)
    grad, x = torch.randn(rows, outputs).bfloat16(), torch.randn(rows, inputs).bfloat16()
    wanted = grad.double().T @ x.double()
    found = native.weight_gradient(grad, x)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-4)
    assert native.weight_gradient(grad, x, found) is found
    torch.testing.assert_close(found.double(), 2 * wanted, rtol=1e-5, atol=2e-4)


@pytest.mark.skipif(not VARIANTS, reason="the kernels are not built")
@pytest.mark.parametrize("wrong", [-100, 301])
def test_a_target_that_is_no_output_is_refused(wrong: int) -> None:
    logits, targets = torch.randn(2, 301).bfloat16(), torch.tensor([7, wrong])
    with pytest.raises(IndexError, match="from 0 to 300"):
        native.cross_entropy(logits, None, targets, 0.0, grads=True)


@pytest.mark.skipif(not VARIANTS, reason="the kernels are not built")
def test_deriving_twice_is_refused_and_not_wrong() -> None:
    x = torch.randn(3, 64, requires_grad=True)
    block = FeedForward(FeedForwardSpec(width=32, activation="gelu"), 64)
    for module in (LayerNorm(NormSpec(kind="layer"), 64), block):
        (once,) = torch.autograd.grad(module(x).pow(3).sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            once.sum().backward()
