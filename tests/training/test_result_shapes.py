"""Our rules for the shapes of results against PyTorch's own, on the steps of real models."""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

from benchmarks.forecast import Case, _config
from mason.models.checkpoints import spec_of
from mason.models.transformer import Transformer
from mason.tasks.classification import ClassificationObjective, Examples, read_costliest
from mason.tasks.dialogue import Conversations
from mason.training import ghosts, result_shapes
from mason.training.forecast import forecast
from mason.training.recipe import Recipe
from mason.training.used_rows import training_used_rows
from mason.workflows.tasks import find_task

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("bert", "modernbert", "gpt2", "llama", "t5", "bart", "albert", "qwen3")


def told(x: Any) -> Any:
    """What a rule must get right."""
    if isinstance(x, tuple | list):
        return [told(y) for y in x]
    return (tuple(x.shape), x.stride(), x.dtype) if isinstance(x, Tensor) else x


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """Operations for which our rule gave what PyTorch's does, from here on."""
    met: Counter[Any] = Counter()

    def both(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        ours, theirs = result_shapes.results(func, args, kwargs), func(*args, **kwargs)
        assert told(ours) == told(theirs), (func, told(args), kwargs)
        met[func] += 1
        return theirs

    monkeypatch.setattr(ghosts, "results", both)
    return met


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rules_say_what_pytorch_says(
    family: str, precision: Literal["fp32", "bf16"], met: Counter[Any]
) -> None:
    case = Case(family, 96, 2, 4, (5, 40), vocabulary=1000)
    spec = replace(spec_of(_config(case), ("classification",)), labels=("a", "b"))
    examples = Examples([list(range(5 + 7 * i)) for i in range(4)], None, [0, 1, 0, 1])
    model = Transformer(spec)
    recipe = Recipe(batch_size=4, max_steps=2, precision=precision)
    read = partial(read_costliest, examples=examples)
    with training_used_rows(model, range(33)):  # of encoders alone
        forecast(model, ClassificationObjective(examples), recipe, infer=read)
    assert len(met) > 20


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rules_hold_where_a_model_writes(
    precision: Literal["fp32", "bf16"], met: Counter[Any]
) -> None:
    case = Case("llama", 96, 2, 4, (5, 40), vocabulary=1000)
    model = Transformer(spec_of(_config(case), ("language",)))
    talks = Conversations([[7] * 9, [8] * 5], [[0] * 3 + [1] * 6, [0] + [1] * 4], [0, 0], [])
    recipe = Recipe(epochs=1, precision=precision)
    forecast(model, find_task("dialogue").objective(talks, recipe), recipe)
    assert len(met) > 20


SCRIPT = """
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from benchmarks.forecast import Case, _config
from mason.models.checkpoints import spec_of
from mason.models.transformer import Transformer
from mason.tasks.classification import ClassificationObjective, Examples, read_costliest
from mason.tasks.dialogue import Conversations
from mason.training.forecast import forecast
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.used_rows import training_used_rows
from mason.workflows.tasks import find_task

for family, precision in product(("bert", "gpt2", "llama"), ("fp32", "bf16")):
    case = Case(family, 96, 2, 4, (5, 40), vocabulary=1000)
    spec = replace(spec_of(_config(case), ("classification",)), labels=("a", "b"))
    model = Transformer(spec)
    objective = ClassificationObjective(Examples([[7] * 9, [8] * 5], None, [0, 1]))
    with training_used_rows(model, {7, 8}):
        read = partial(read_costliest, examples=objective.examples)
        forecast(model, objective, Recipe(epochs=1, precision=precision), infer=read)
    fit(model, objective, Recipe(epochs=1, precision=precision))

talks = Conversations([[7] * 9, [8] * 5], [[0] * 3 + [1] * 6, [0] + [1] * 4], [0, 0], [])
recipe = Recipe(epochs=1, precision="bf16")
writer = Transformer(spec_of(_config(case), ("language",)))
forecast(writer, find_task("dialogue").objective(talks, recipe), recipe)
print(sorted(name for name in ("torch._dynamo", "sympy") if name in sys.modules))
"""


def test_forecast_and_training_leave_the_compiler_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
