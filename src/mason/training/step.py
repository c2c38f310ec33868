"""One optimiser step: forward, backward, look, update."""

import hashlib
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mason.errors import RunError
from mason.language import say
from mason.training.batches import Indices
from mason.training.history import Step
from mason.training.optimizers import clip, set_rates
from mason.training.state import Joint, Objective, State
from mason.training.updates import Update

_UPDATE_EVERY = 10
"""Steps from one look at how far the weights move to the next."""
_STEEPER = 1.01
"""A rise that is exactly as steep is no less by rounding."""
Refused = Callable[[State, Objective, Indices, Step], None]
"""Called with a step that was refused, while its gradients are still there."""


def take_step(state: State, objective: Objective, refused: Refused) -> Step:
    """Take the next step of a run, or refuse it and change no parameter."""
    start, recipe, history = time.monotonic(), state.recipe, state.history
    number, batch = history.step + 1, state.cursor.next()
    share = _rate_share(state, number)
    set_rates(state.optimizer, share)
    loss = _accumulate_within_memory(state, objective, batch, number)
    parameters = [p for p in state.model.parameters() if p.grad is not None]
    norm = gradient_norm(parameters)
    reason, moved = state.guard.judge(loss, float(norm)), None
    if reason is None:
        update = Update(parameters) if number % _UPDATE_EVERY == 0 else None
        alone = state.world.size == 1
        clip(state.optimizer, parameters, norm, recipe.clip_norm, alone=alone)
        state.optimizer.step()
        moved = update.norm(state.world.total) if update else None
        if state.average is not None:
            state.average.update()
    step = Step(
        number,
        number / state.steps_per_epoch,
        loss,
        recipe.learning_rate * share,
        float(norm),
        sum(objective.lengths[int(i)] for i in batch),
        time.monotonic() - start,
        reason,
        moved,
    )
    if reason is not None:
        refused(state, objective, batch, step)
    state.optimizer.zero_grad(set_to_none=True)
    return step


def _rate_share(state: State, number: int) -> float:
    """Share of the peak rate at a step.

    Where a budget of time has found that fewer steps fit, the warm-up has become shorter, and
    may long be over: the rate rises to its place as steeply as the shorter one would have.
    """
    recipe, history = state.recipe, state.history
    share = recipe.rate_share(number - 1, history.num_steps) * state.rate_scale
    warmup = round(recipe.warmup_share * history.num_steps)
    if not history.steps or warmup < 1:
        return share
    last = history.steps[-1].learning_rate / recipe.learning_rate
    return min(share, last + _STEEPER * state.rate_scale / warmup)


def seed_step(seed: int, step: int) -> None:
    """Make what is random in a step a pure function of the run's seed and the step.

    So a checkpoint holds no generator's state, and a resumed run drops the same values.
    """
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=7).digest()
    torch.manual_seed(int.from_bytes(digest, "big"))


def accumulate(state: State, objective: Objective, batch: Indices, step: int) -> float:
    """Add the gradient of the batch's mean loss, pass by pass; return that loss."""
    seed_step(state.recipe.seed, step)
    device, dtype = state.device.type, state.dtype
    count, loss = objective.count(batch), 0.0
    runs = list(state.world.passes(batch, objective.lengths, state.tokens_per_pass))
    if isinstance(objective, Joint):
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            objective.begin(state.model, [run for run, _ in runs])
    for run, counts in runs:
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            summed = state.world.ask(objective.loss, state.model, run)
        (summed / count if counts else 0 * summed).backward()
        loss += float(summed.detach()) if counts else 0.0
        if state.gaps is not None:
            state.gaps.after_pass()
    return state.world.total(loss) / count


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Norm of all gradients together, those parts in other processes included."""
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def _accumulate_within_memory(
    state: State, objective: Objective, batch: Indices, step: int
) -> float:
    """``accumulate``, in ever smaller passes where memory runs out: the same batch."""
    while True:
        try:
            return accumulate(state, objective, batch, step)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if state.world.size > 1:  # the others wait for this pass, and would wait for ever
                raise RunError(
                    "Memory ran out in process {rank}; lower --training.tokens-per-batch, or "
                    "start more processes.",
                    rank=state.world.rank,
                ) from error
        # Outside the handler: the error's traceback holds the activations.
        state.optimizer.zero_grad(set_to_none=True)
        _shrink(state, objective, batch)


def _shrink(state: State, objective: Objective, batch: Indices) -> None:
    lengths = [objective.lengths[int(i)] for i in batch]
    longest, now = max(lengths), min(state.tokens_per_pass, sum(lengths))
    if now <= longest:
        raise RunError(
            "Memory ran out on a single example of {tokens} tokens; lower --model.max-tokens, "
            "or choose a smaller model.",
            tokens=longest,
        )
    state.tokens_per_pass = max(longest, now // 2)
    if state.device.type == "cuda":
        torch.cuda.empty_cache()
    state.history.notices.append(
        say(
            "Memory ran out: from here on at most {tokens} tokens at once; the batches stay "
            "the same.",
            tokens=state.tokens_per_pass,
        )
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "out of memory" in str(error)
