"""A step of DP-SGD on packed batches; see ``mason.training.privacy``.

The noise and the choice of rows come from the system's randomness. From the run's seed, which
the report tells, anybody could draw the same noise and take it away again; so a private run
cannot be repeated bit by bit, and neither torch's generator nor its noise is cryptographic.
"""

import secrets
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from mason.training.history import Step
from mason.training.optimizers import set_rates
from mason.training.privacy import Privacy
from mason.training.state import Objective, State


def take_private_step(state: State, objective: Objective, privacy: Privacy) -> Step:
    """Take the next step of a private run.

    No step is refused for what the rows say, for that would tell of them: a gradient that is
    not finite counts as none.
    """
    start, recipe, history = time.monotonic(), state.recipe, state.history
    number = history.step + 1
    state.cursor.next()  # keeps the epochs' count; who is in a step, chance decides
    share = recipe.rate_share(number - 1, history.num_steps) * state.rate_scale
    set_rates(state.optimizer, share)
    generator = torch.Generator(state.device).manual_seed(secrets.randbits(63))
    drawn = torch.rand(len(objective.lengths), generator=generator, device=state.device)
    batch = torch.nonzero(drawn < privacy.chance).flatten().tolist()
    loss = _noisy_gradients(state, objective, privacy, batch, generator)
    norm = float(nn.utils.get_total_norm([p.grad for p in _learned(state) if p.grad is not None]))
    state.optimizer.step()
    if state.average is not None:
        state.average.update()
    state.optimizer.zero_grad(set_to_none=True)
    return Step(
        number,
        number / state.steps_per_epoch,
        loss,
        recipe.learning_rate * share,
        norm,
        sum(objective.lengths[i] for i in batch),
        time.monotonic() - start,
    )


def _noisy_gradients(
    state: State,
    objective: Objective,
    privacy: Privacy,
    batch: Sequence[int],
    generator: torch.Generator,
) -> float:
    """Leave the noisy mean of the rows' cut gradients as the gradient; return the mean loss."""
    learned, clip, losses = _learned(state), state.recipe.clip_norm, []
    sums = [torch.zeros_like(p) for p in learned]
    device, dtype = state.device.type, state.dtype
    for i in batch:
        state.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            count = max(1, objective.count(np.array([i])))
            loss = objective.loss(state.model, [i]) / count
        loss.backward()
        losses.append(float(loss.detach()))
        if state.gaps is not None:
            state.gaps.after_pass()
        own = [p.grad for p in learned if p.grad is not None]
        norm = float(nn.utils.get_total_norm(own))
        share = min(1.0, clip / norm) if 0 < norm < float("inf") else 0.0
        for total, p in zip(sums, learned, strict=True):
            if p.grad is not None and share:
                total.add_(p.grad, alpha=share)
    expected = privacy.chance * len(objective.lengths)
    for total, p in zip(sums, learned, strict=True):
        noise = torch.randn(p.shape, generator=generator, device=p.device, dtype=torch.float32)
        p.grad = total.add_(noise.to(p.dtype), alpha=privacy.noise * clip).div_(expected)
    return sum(losses) / len(losses) if losses else 0.0


def _learned(state: State) -> list[nn.Parameter]:
    return [p for p in state.model.parameters() if p.requires_grad]
