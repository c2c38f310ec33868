"""Cross-entropy of a linear layer's outputs that never holds all of them.

A language model's logits are its largest tensor by far: 4096 targets of a vocabulary of
49,152 are 0.8 GB, and plain PyTorch holds them, their softmax and their gradient.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

_CHUNK_BYTES = 24 << 20
"""Of one chunk's fp32 logits where nothing is said: fits the last cache of most processors."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """The summed cross-entropy of ``hidden @ weight.T + bias``, a scalar.

    Equal to ``F.cross_entropy(logits, targets, reduction="sum")`` in value and gradients, with
    memory for ``chunk`` rows of logits and not for all: each chunk's gradients are made while
    its logits are there, so that nothing is computed twice. The idea is that of Liger kernels
    (Hsu et al. 2024) and Cut Cross-Entropy (Wijmans et al. 2025).

    Under autocast the products are in its dtype; softmax, loss and the sums over chunks are
    in fp32 (float64 where the inputs are).

    Args:
        hidden: Rows ``R D`` of the targets alone: what is not a target needs no logits.
        weight: ``V D``; may be tied to an embedding.
        bias: ``V``, or None.
        targets: ``R`` numbers of the right outputs, each from 0 to V - 1.
        label_smoothing: Probability spread over all outputs (Szegedy et al. 2016).
        softcap: Squash logits to ±softcap by tanh, as Gemma 2 does; None: leave them.
        chunk: Rows at once; None: as many as 24 MiB of logits.
    """
    rows = chunk or max(1, _CHUNK_BYTES // (4 * weight.shape[0]))
    plan = _Plan(label_smoothing, softcap, rows, _product_dtype(hidden))
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, bias, targets, plan)  # type: ignore[no-untyped-call]
    return loss


class _Plan(NamedTuple):
    label_smoothing: float
    softcap: float | None
    chunk: int
    dtype: torch.dtype


class _Passed(NamedTuple):
    """The loss, and the gradients of hidden, weight and bias that were asked for."""

    loss: Tensor
    hidden: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


def _product_dtype(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, plan: _Plan
    ) -> Tensor:
        passed = _pass(hidden, weight, bias, targets, plan, ctx.needs_input_grad)
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.plan, ctx.passed = plan, passed
        return passed.loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        passed, ctx.passed = ctx.passed, None
        if passed is None:  # A second backward: the gradients of the first were given away.
            hidden, weight, bias, targets = ctx.saved_tensors
            passed = _pass(hidden, weight, bias, targets, ctx.plan, ctx.needs_input_grad)
        # In place, for a copy of the weight's gradient is as large as the weight.
        scaled = [g if g is None else g.mul_(outputs[0]) for g in passed[1:]]
        return (*scaled, None, None)


@torch.no_grad()
def _pass(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    plan: _Plan,
    wanted: tuple[bool, ...],
) -> _Passed:
    """Loss and gradients in one pass over the rows."""
    exact = torch.promote_types(plan.dtype, torch.float32)
    loss = hidden.new_zeros((), dtype=exact)
    grads = [
        torch.zeros_like(x, dtype=exact) if x is not None and want else None
        for x, want in zip((hidden, weight, bias), wanted, strict=False)
    ]
    of_hidden, of_weight, of_bias = grads
    with torch.autocast(hidden.device.type, enabled=False):
        matrix = weight.to(plan.dtype)
        for start in range(0, hidden.shape[0], plan.chunk):
            rows = slice(start, start + plan.chunk)
            inputs = hidden[rows].to(plan.dtype)
            logits = torch.mm(inputs, matrix.T).to(exact)
            if bias is not None:
                logits += bias
            summed, slope = _loss_and_slope(logits, targets[rows], plan, any(wanted))
            loss += summed
            product = slope.to(plan.dtype)
            if of_hidden is not None:
                of_hidden[rows] = torch.mm(product, matrix)
            if of_weight is not None:
                _add_product(of_weight, product.T, inputs)
            if of_bias is not None:
                of_bias += slope.sum(0)
            del logits, slope, product
    kinds = (hidden, weight, bias)
    return _Passed(
        loss,
        *(
            g if g is None or x is None else g.to(x.dtype)
            for g, x in zip(grads, kinds, strict=True)
        ),
    )


def _loss_and_slope(
    logits: Tensor, targets: Tensor, plan: _Plan, slope: bool
) -> tuple[Tensor, Tensor]:
    """The summed loss of a chunk ``C V`` and its gradient for the logits, in their memory."""
    size, smooth, cap = logits.shape[1], plan.label_smoothing, plan.softcap
    squashed = None if cap is None else logits.div_(cap).tanh_()
    if squashed is not None and cap is not None:
        logits = squashed * cap
    log_shares = torch.log_softmax(logits, 1)
    right = targets[:, None]
    loss = -(1 - smooth) * log_shares.gather(1, right).sum()
    if smooth:
        loss -= smooth / size * log_shares.sum()
    if not slope:
        return loss, logits
    shares = torch.exp(log_shares, out=logits)
    if smooth:
        shares -= smooth / size
    shares.scatter_add_(1, right, shares.new_full(right.shape, smooth - 1))
    if squashed is not None:
        shares *= 1 - squashed.square_()
    return loss, shares


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left @ right``, the sum in the dtype of ``total``."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += torch.mm(left, right)
