"""A head from random weights is fitted to the features before the first step."""

from collections.abc import Callable
from typing import TypeVar

from mason.models.transformer import Transformer
from mason.tasks.classification import OUTPUT, PASS
from mason.training.recipe import Recipe
from mason.workflows.model import Model

E = TypeVar("E")


def fit_if_fresh(fit: Callable[..., object], model: Model, train: E, recipe: Recipe) -> None:
    """Fit the output to the features as they are, where the files had none.

    Args:
        fit: ``fit(network, train, rows=, seed=, tokens_per_pass=)``, such as ``probe``.
        model: Whose output it is.
        train: The examples.
        recipe: How many rows, and the seed; no rows: nothing is fitted.
    """
    network: Transformer = model.network
    if recipe.probe_rows and OUTPUT in model.fresh:
        tokens = min(PASS, recipe.tokens_per_pass)
        fit(network, train, rows=recipe.probe_rows, seed=recipe.seed, tokens_per_pass=tokens)
