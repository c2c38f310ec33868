"""The recipe of a person who names none."""

import pytest

from mason.settings import TrainingSettings
from mason.training.budgets import best_size, num_pieces
from mason.training.defaults import named, recipe_for


@pytest.mark.parametrize("num_parameters", [22_000_000, 110_000_000])
@pytest.mark.parametrize("num_examples", [50, 499, 500, 1999, 2000, 100_000])
def test_every_default_evaluates_often_enough_to_see_a_trend(
    num_parameters: int, num_examples: int
) -> None:
    recipe = recipe_for(
        TrainingSettings(), num_parameters=num_parameters, num_examples=num_examples
    )
    assert recipe.epochs * recipe.evaluations_per_epoch >= 3


def test_what_is_named_wins_and_what_is_no_recipe_is_left_out() -> None:
    settings = TrainingSettings(epochs=7, batch_size=5, accumulation=3, dropout=0.2, recompute=True)
    recipe = recipe_for(settings, num_parameters=1, num_examples=9999)
    assert (recipe.epochs, recipe.batch_size) == (7, 15)
    assert "dropout" not in named(settings, but=set()) and "recompute" not in named(settings, set())


def test_a_vocabulary_grows_with_model_and_corpus() -> None:
    assert num_pieces(1e6, 10**9) == 8_000
    assert num_pieces(4e6, 10**9) == 16_000
    assert num_pieces(1e6, 10**6) == 2_000  # a small corpus teaches few
    assert num_pieces(1e12, 10**12) == 30_000


def test_a_size_by_compute_and_corpus() -> None:
    assert best_size(120e12, 10**9) == 1e6  # 20 tokens a parameter
    assert best_size(120e12, 2 * 10**5) == 2e5  # no more parameters than tokens
    assert best_size(120e14, 2 * 10**7) == 1e7
    assert best_size(120e16, 5 * 10**8) == 1e8
