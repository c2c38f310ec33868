"""Why a step went wrong: the examples, the layer, the likeliest cause; and how to see it again."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from mason.language import say
from mason.models.files import open_weights, write_json, write_weights, writing_folder
from mason.training.batches import Indices
from mason.training.history import Step
from mason.training.state import Objective, State
from mason.training.step import accumulate, gradient_norm, seed_step

_MAX_CAPSULES = 3
_FACTS = "step.json"


@dataclass(frozen=True)
class Diagnosis:
    """What was found out about a refused step.

    Attributes:
        examples: Numbers of the training examples whose loss alone is no number, or that
            have the three highest losses.
        layer: The first module whose output is no number.
        weights: Parameters that hold what is no number.
        causes: Sentences, the likeliest first.
    """

    examples: list[int]
    layer: str | None
    weights: list[str]
    causes: list[str]


class Explainer:
    """Explains refused steps; keeps the first ones as capsules to replay.

    Args:
        folder: Where capsules go; None: they are not kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def __call__(self, state: State, objective: Objective, batch: Indices, step: Step) -> None:
        """Tell the history why, while the gradients are still there."""
        found = diagnose(state, objective, batch, step)
        sentence = say(
            "Step {step} changed no weight, because {reason}. Training examples {examples}; first "
            "layer that is not finite: {layer}; learning rate {rate:.3g}. {causes}",
            step=step.step,
            reason=step.refused,
            examples=", ".join(map(str, found.examples)),
            layer=found.layer or say("none"),
            rate=step.learning_rate,
            causes=" ".join(found.causes),
        )
        kept = self._keep(state, batch, step, found)
        if kept is not None:
            sentence += " " + say("To see it again: {folder}.", folder=kept)
        state.history.notices.append(sentence)

    def _keep(self, state: State, batch: Indices, step: Step, found: Diagnosis) -> Path | None:
        folder = self.folder
        if folder is None or state.guard.failures > 1:
            return None
        if not state.world.first(lambda: _has_room(folder)):
            return None
        weights = state.world.gather(state.weights())
        target = folder / f"step-{step.step:08d}"
        facts = {
            "step": asdict(step)
            | {"loss": repr(step.loss), "gradient_norm": repr(step.gradient_norm)},
            "seed": state.recipe.seed,
            "tokens_per_pass": state.tokens_per_pass,
            "batch": [int(i) for i in batch],
            "losses_before": list(state.guard.losses),
            "gradient_norms_before": list(state.guard.norms),
            "diagnosis": asdict(found),
        }
        if not state.world.is_first:
            return target
        try:
            with writing_folder(target, kind="capsule") as draft:
                write_json(draft / _FACTS, facts)
                write_weights(draft, weights)
        except OSError:  # a full disk must not end the run
            return None
        return target


def _has_room(folder: Path) -> bool:
    return not folder.is_dir() or len(list(folder.iterdir())) < _MAX_CAPSULES


def diagnose(state: State, objective: Objective, batch: Indices, step: Step) -> Diagnosis:
    """Find the examples, the layer and the causes of a refused step."""
    losses = {int(i): _loss_alone(state, objective, [int(i)], step.step) for i in batch}
    broken = [i for i, loss in losses.items() if not math.isfinite(loss)]
    highest = sorted(losses, key=lambda i: losses[i], reverse=True)[:3]
    weights = [n for n, w in state.weights().items() if not bool(torch.isfinite(w).all())]
    layer = _first_layer(state, objective, broken or [int(i) for i in batch], step.step)
    causes = list(_causes(state, broken, weights, step, len(losses)))
    return Diagnosis(broken[:8] or highest, layer, weights[:8], causes)


def replay(capsule: Path, state: State, objective: Objective) -> tuple[float, float]:
    """Loss and gradient norm of a capsule's step, computed again with its weights.

    Bit-equal to the first time on the same machine in fp32 with as many threads.

    Raises:
        CheckpointError: The capsule is damaged, or is not of this model.
    """
    facts: dict[str, Any] = json.loads((capsule / _FACTS).read_text(encoding="utf-8"))
    saved = open_weights(capsule / "model.safetensors")
    for name, weight in state.weights().items():
        weight.detach().copy_(saved.tensor(name))
    state.tokens_per_pass = facts["tokens_per_pass"]
    state.optimizer.zero_grad(set_to_none=True)
    state.model.train()
    batch = torch.tensor(facts["batch"]).numpy()
    loss = accumulate(state, objective, batch, facts["step"]["step"])
    return loss, float(gradient_norm(list(state.model.parameters())))


@torch.no_grad()
def _loss_alone(state: State, objective: Objective, run: Sequence[int], step: int) -> float:
    seed_step(state.recipe.seed, step)
    dtype = state.dtype
    with torch.autocast(state.device.type, dtype, enabled=dtype != torch.float32):
        return float(state.world.ask(objective.loss, state.model, run))


def _first_layer(state: State, objective: Objective, run: Sequence[int], step: int) -> str | None:
    """The first innermost module, in the order of the computation, with a bad output."""
    found: list[str] = []

    def hook(name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not found and not bool(output.isfinite().all()):
                found.append(name)

        return look

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in state.model.named_modules()
        if name
    ]
    try:
        _loss_alone(state, objective, run, step)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _causes(
    state: State, broken: list[int], weights: list[str], step: Step, size: int
) -> "list[str]":
    """What may be behind it, the likeliest first."""
    causes = []
    norms = list(state.guard.norms)
    if weights:
        causes.append(
            say(
                "The weight {name} was not finite before the step: the model was damaged when it "
                "was loaded.",
                name=weights[0],
            )
        )
    elif broken and len(broken) <= size / 2:
        causes.append(say("Most examples of the batch are sound: look at the rows of those named."))
    early, late = norms[: len(norms) // 2], norms[-4:]
    growing = bool(early) and max(late) > 5 * median(early)
    if growing or not broken or not norms:
        causes.append(
            say("The learning rate may be too high: lower --training.learning-rate.")
            if not growing
            else say(
                "The gradient grew {times:.0f} times before this step: the learning rate is too "
                "high; lower --training.learning-rate.",
                times=max(late) / median(early),
            )
        )
    if state.dtype != torch.float32:
        causes.append(say("Or the number format is too coarse: choose --training.precision fp32."))
    return causes
