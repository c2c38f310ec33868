"""Train a small model plainly and compiled, and print what each found.

A process of its own: the tests check shapes at every call, which the compiler cannot read.
"""

import json

import torch

from mason.models.transformer import set_dropout
from mason.training.compiling import compiled
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.training.small import build, objective


def losses(on: bool) -> list[float]:
    """Of the four steps of a run."""
    model = build("encoder").float()
    set_dropout(model, 0.0)
    recipe = Recipe(epochs=2, batch_size=5, learning_rate=1e-3, precision="fp32", compile=on)
    history = fit(model, objective(10), recipe)
    assert all(module._compiled_call_impl is None for module in model.modules())
    return [step.loss for step in history.steps]


def dropped() -> list[bool]:
    """Whether a compiled block drops, and drops the same when it is seeded the same."""
    model = build("encoder").float().train()
    set_dropout(model, 0.5)
    assert model.encoder is not None
    block = model.encoder.layers[0].feed_forward
    x = torch.rand(33, model.spec.width, requires_grad=True)
    with compiled(model, True):
        torch.manual_seed(3)
        once = block(x)
        torch.manual_seed(3)
        again, other = block(x), block(x)
    return [torch.equal(once, again), torch.allclose(once, other)]


if __name__ == "__main__":
    print(json.dumps({"plain": losses(False), "compiled": losses(True), "dropped": dropped()}))
