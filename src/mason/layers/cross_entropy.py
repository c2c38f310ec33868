"""Cross-entropy of a linear layer's outputs that never holds all of them.

A language model's logits are its largest tensor by far: 4096 targets of a vocabulary of
49,152 are 0.8 GB, and plain PyTorch holds them, their softmax and their gradient.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mason.layers import native


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    chunk: int = 256,
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
        chunk: Rows at once. Fewer cost time, for each chunk reads and writes the weight's gradient.
    """
    plan = _Plan(label_smoothing, softcap, chunk, _product_dtype(hidden))
    if not torch.is_grad_enabled():
        return _pass(hidden, weight, bias, targets, plan, (False, False, False)).loss
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
        judge = _judge_of(hidden, matrix, bias, plan)
        for start in range(0, hidden.shape[0], judge.chunk):
            rows = slice(start, start + judge.chunk)
            inputs = hidden[rows].to(plan.dtype)
            summed, grad = judge(inputs, targets[rows], any(wanted))
            loss += summed
            if not any(wanted):
                continue
            product = grad.to(plan.dtype)
            if of_hidden is not None:
                _add_product(of_hidden[rows], product, matrix, anew=True)
            if of_weight is not None:
                _add_grad(of_weight, product, inputs)
            if of_bias is not None:
                of_bias += grad.sum(0, dtype=exact)
    kinds = (hidden, weight, bias)
    return _Passed(
        loss,
        *(
            g if g is None or x is None else g.to(x.dtype)
            for g, x in zip(grads, kinds, strict=True)
        ),
    )


class _Judge:
    """The summed loss of a chunk ``C D`` and the gradient of its logits ``C V``.

    One piece of memory serves every chunk: memory that is new costs a fault for each page.
    """

    def __init__(
        self, hidden: Tensor, matrix: Tensor, bias: Tensor | None, plan: _Plan, kind: torch.dtype
    ) -> None:
        self.chunk = max(1, min(plan.chunk * 4 // kind.itemsize, hidden.shape[0]))
        self.room = hidden.new_empty(self.chunk, matrix.shape[0], dtype=kind)
        self.matrix, self.bias, self.plan = matrix, bias, plan

    def __call__(self, inputs: Tensor, targets: Tensor, grads: bool) -> tuple[Tensor, Tensor]:
        logits = _add_product(self.room[: len(inputs)], inputs, self.matrix.T, anew=True)
        if self.bias is not None:
            logits += self.bias
        return _loss_and_grad(logits, targets, self.plan)


class _HalfJudge(_Judge):
    """The same by the compiled kernel, which leaves logits in the products' own bf16."""

    def __call__(self, inputs: Tensor, targets: Tensor, grads: bool) -> tuple[Tensor, Tensor]:
        logits = torch.mm(inputs, self.matrix.T, out=self.room[: len(inputs)])
        smoothing = self.plan.label_smoothing
        losses = native.cross_entropy(logits, self.bias, targets, smoothing, grads=grads)
        return losses.sum(), logits


def _judge_of(hidden: Tensor, matrix: Tensor, bias: Tensor | None, plan: _Plan) -> _Judge:
    compiled = plan.softcap is None and native.has_cross_entropy(matrix, bias)
    kind = plan.dtype if compiled else torch.promote_types(plan.dtype, torch.float32)
    return (_HalfJudge if compiled else _Judge)(hidden, matrix, bias, plan, kind)


def _add_grad(total: Tensor, grad: Tensor, inputs: Tensor) -> None:
    """``total += grad.T @ inputs``."""
    if native.has_weight_gradient(grad, inputs) and total.dtype is torch.float32:
        native.weight_gradient(grad, inputs, total)
    else:
        _add_product(total, grad.T, inputs)


def _loss_and_grad(logits: Tensor, targets: Tensor, plan: _Plan) -> tuple[Tensor, Tensor]:
    """The summed loss of a chunk ``C V`` and its gradient for the logits, in their memory."""
    smooth, cap, right = plan.label_smoothing, plan.softcap, targets[:, None]
    squashed = None
    if cap is not None:
        squashed = logits.div_(cap).tanh_().clone()
        logits *= cap
    highest = logits.amax(1, keepdim=True)
    losses = highest - (1 - smooth) * logits.gather(1, right)
    if smooth:
        losses -= smooth * logits.mean(1, keepdim=True)
    # In place: each row is read for its maximum and its sum before it is written.
    shares = torch.softmax(logits, 1, out=logits)
    # The highest share is 1 / Σ exp(logit - highest), and never underflows.
    losses -= shares.amax(1, keepdim=True).log()
    if smooth:
        shares -= smooth / shares.shape[1]
    shares.scatter_add_(1, right, shares.new_full(right.shape, smooth - 1))
    if squashed is not None:
        shares *= 1 - squashed.square_()
    return losses.sum(), shares


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, anew: bool = False) -> Tensor:
    """``total += left @ right``, or ``total = …`` where it is anew, in the dtype of ``total``."""
    if left.dtype == total.dtype:
        return total.addmm_(left, right, beta=0 if anew else 1)
    product = torch.mm(left, right)
    return total.copy_(product) if anew else total.add_(product)
