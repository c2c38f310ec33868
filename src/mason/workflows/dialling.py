"""The dial of pretraining: from a budget to a shape, a recipe and a number of steps."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean
from typing import Any

import torch

from mason.data.corpora.store import TokenStore
from mason.language import say
from mason.models.shapes import shape
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, num_parameters
from mason.runtime import pick_device, product_rate
from mason.settings import Settings
from mason.tasks.pretraining import Learner
from mason.training.budgets import (
    MODERN,
    batch_tokens,
    best_size,
    num_pieces,
    peak_rate,
    read_budget,
)
from mason.training.defaults import named
from mason.training.loop import fit
from mason.training.pacing import Pacing
from mason.training.published import published
from mason.training.recipe import Recipe
from mason.training.world import ALONE, World
from mason.workflows.objectives import Goal

_DEFAULT_BUDGET = "30m"
_PROBE_STEPS, _MOST_PROBE_STEPS = 4, 100
_PROBE_SHARE, _PROBE_RATE = 0.02, 1e-6
"""Of the budget, for steps that are timed."""
_LAST_SHARE = 0.02
"""Of the budget, for the last evaluation and the files."""
_LEAST_TRAINING = 0.5
"""Of the budget, whatever else took."""
_BYTES_PER_TOKEN = 4


class Dial:
    """Turns a budget into choices, and says each of them.

    Args:
        settings: Of the run; what they name is not chosen.
        goal: The objective.
        longest: Tokens of the longest passage.
        notice: Called with each sentence.
        world: The processes of the run; what is measured, the first one measures.
    """

    def __init__(
        self,
        settings: Settings,
        goal: Goal,
        longest: int,
        notice: Callable[[str], None],
        world: World = ALONE,
    ) -> None:
        self.world = world
        self.settings, self.goal, self.longest, self.notice = settings, goal, longest, notice
        self.budget = read_budget(settings.training.budget or _DEFAULT_BUDGET)
        self.modern = settings.training.recipe != "published"
        self.chosen = settings.model.shape
        """The shape, once it is known; None: a model is loaded."""
        self.started = time.monotonic()
        self.seconds: float | None = None
        """Of the training, where the budget is one of time and no number of steps is named."""
        self.before: Mapping[str, Any] = {}
        """What was chosen when the unfinished run began: a run goes on as it was laid out."""

    def mask_rate(self) -> float | None:
        """Share of the text to hide; None: the objective's own."""
        given = self.settings.training.mask_rate
        return self.goal.mask_rate if given is None and self.modern else given

    def dropout(self) -> float | None:
        """Rate of every dropout; None: the shape's own."""
        given = self.settings.training.dropout
        # A pass or a few over a corpus leave nothing to overfit to (Geiping & Goldstein 2023).
        return 0.0 if given is None and self.modern else given

    def vocabulary(self, num_bytes: int) -> int:
        """Pieces of a tokenizer to learn, from the size of the model and of its corpus."""
        if self.chosen is not None:
            size = float(body_size(self.chosen, self.goal.heads))
        else:
            size = best_size(self._flops(), max(1, num_bytes // _BYTES_PER_TOKEN))
        return num_pieces(size, num_bytes)

    def shape(self, store: TokenStore) -> str:
        """The largest shape that the budget can feed, by the rule of ``training.budgets``."""
        if self.before.get("shape"):
            self.chosen = str(self.before["shape"])
            return self.chosen
        flops = self._flops()
        wanted = best_size(flops, store.counts.num_tokens)
        shapes = (self.modern and self.goal.modern) or self.goal.shapes
        sizes = {name: body_size(name, self.goal.heads) for name in shapes}
        fitting = [name for name, size in sizes.items() if size <= 1.5 * wanted]
        chosen = fitting[-1] if fitting else shapes[0]
        self.notice(
            say(
                "A budget of {flops:.1e} flops and {tokens:,} tokens of text suits about "
                "{wanted:.1f} million parameters beside the vocabulary: {shape}.",
                flops=flops,
                tokens=store.counts.num_tokens,
                wanted=wanted / 1e6,
                shape=chosen,
            )
        )
        self.chosen = chosen
        return chosen

    def _flops(self) -> float:
        if self.budget.unit == "flops":
            return self.budget.amount
        if self.budget.unit == "tokens":
            # As large as those tokens can feed.
            return 6 * self.budget.amount**2 / 20
        device = pick_device(self.settings.training.device)
        rate = self.world.first(lambda: product_rate(device)) * self.world.size
        return self.budget.amount * rate / 2

    def recipe(self, learner: Learner, objective: Any) -> Recipe:
        """Every number of the run; what the settings name wins over the rule."""
        given = self.settings.training
        body = num_parameters(learner) - embedding_size(learner.spec)
        tokens = {
            "tokens": self.budget.amount,
            "flops": self.budget.amount / (6 * max(body, 1)),
            "seconds": self._flops() / (6 * max(body, 1)),
        }[self.budget.unit]
        base = Recipe(
            epochs=1e9,
            tokens_per_batch=self.before.get("tokens_per_batch")
            or batch_tokens(tokens, self.longest),
            precision=given.precision,
            seed=given.seed,
            **self._rates(body),
        )
        base = replace(base, **named(given, but={"batch_size", "epochs"}))
        if base.max_steps is None and given.epochs is not None:
            base = replace(base, epochs=given.epochs)
        elif base.max_steps is None:
            self.seconds = self.before.get("seconds")
            steps = self.before.get("max_steps") or self._steps(learner, objective, base, tokens)
            base = replace(base, max_steps=steps)
        steps = base.max_steps or 1
        return base if base.evaluate_steps else replace(base, evaluate_steps=max(1, steps // 10))

    def _rates(self, body: int) -> dict[str, Any]:
        """Optimiser, rates and schedule: the published model's, or ours."""
        if not self.modern and self.chosen is not None:
            return dict(published(self.chosen).recipe)
        rate = peak_rate(body)
        if self.settings.model.source is not None:  # what it knows shall not be washed out
            rate /= 10
        return MODERN | {"learning_rate": rate}

    def choices(self, recipe: Recipe) -> dict[str, Any]:
        """What ``before`` is to be when the run goes on."""
        told = {"shape": self.chosen, "budget": self.settings.training.budget}
        return told | {
            "tokens_per_batch": recipe.tokens_per_batch,
            "max_steps": recipe.max_steps,
            "seconds": self.seconds,
        }

    def pacing(self) -> Pacing | None:
        """What keeps the run to its time; None: it has a number of steps."""
        return None if self.seconds is None else Pacing(self.seconds)

    def _steps(self, learner: Learner, objective: Any, recipe: Recipe, tokens: float) -> int:
        """Steps that use up the budget; where it is a time, after a probe of a few steps."""
        if self.budget.unit != "seconds":
            return max(1, round(tokens / (recipe.tokens_per_batch or 1)))
        device = pick_device(self.settings.training.device)
        probe = self.world.share(copy.deepcopy(learner), device)
        # So short a run has no time to warm up: at the run's own rate it may break down.
        slow = replace(recipe, learning_rate=_PROBE_RATE * recipe.learning_rate)

        def timed(num: int) -> list[float]:
            made = fit(probe, objective, replace(slow, max_steps=num), world=self.world)
            return self.world.first(lambda: [step.seconds for step in made.steps])

        a_step = mean(timed(_PROBE_STEPS)[1:])
        more = min(_MOST_PROBE_STEPS, int(_PROBE_SHARE * self.budget.amount / a_step))
        if more > _PROBE_STEPS:
            a_step = mean(timed(more)[1:])
        self.seconds = self._left()
        steps = max(1, round(self.seconds / a_step))
        self.notice(
            say(
                "A step of {tokens:,} tokens takes {seconds:.2f} s: about {steps:,} steps in the "
                "{minutes:.1f} minutes that are left for training; their number follows the pace.",
                tokens=recipe.tokens_per_batch,
                seconds=a_step,
                steps=steps,
                minutes=self.seconds / 60,
            )
        )
        return steps

    def _left(self) -> float:
        """Seconds of the budget for training, after what was spent and before what comes last."""
        spent, amount = time.monotonic() - self.started, self.budget.amount
        left = (1 - _LAST_SHARE) * amount - spent
        if left < _LEAST_TRAINING * amount:
            self.notice(
                say(
                    "Preparing took {spent:.0f} s of {amount:.0f}; training gets half the budget "
                    "all the same, and the run takes longer. The next run on this corpus finds "
                    "it prepared.",
                    spent=spent,
                    amount=amount,
                )
            )
        return self.world.first(lambda: max(left, _LEAST_TRAINING * amount))


def embedding_size(spec: ModelSpec) -> int:
    """Parameters of the vocabulary."""
    width = spec.input_stack.embedding.width or spec.width
    return spec.vocab_size * width


def body_size(name: str, heads: tuple[str, ...]) -> int:
    """Parameters of a named shape, its vocabulary left out."""
    with torch.device("meta"):
        spec = shape(name, heads=heads, vocab_size=1024)
        return num_parameters(Transformer(spec)) - embedding_size(spec)
