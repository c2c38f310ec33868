"""Learning-rate schedules, by hand."""

from dataclasses import replace

import pytest

from mason.models.shapes import SHAPES
from mason.training import schedules
from mason.training.published import published
from mason.training.recipe import Recipe
from mason.training.schedules import factor


def _whole(schedule: str, num_steps: int, warmup_share: float) -> list[float]:
    return [
        factor(step, num_steps, schedule=schedule, warmup_share=warmup_share)
        for step in range(num_steps)
    ]


def test_linear_rises_to_its_peak_and_falls_by_equal_steps() -> None:
    wanted = [1 / 2, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert _whole("linear", 10, 0.2) == pytest.approx(wanted)


def test_cosine_is_half_way_down_in_the_middle() -> None:
    wanted = [1, 0.5 + 0.5 * 0.5**0.5, 0.5, 0.5 - 0.5 * 0.5**0.5]
    assert _whole("cosine", 4, 0) == pytest.approx(wanted)


def test_constant_stays_at_its_peak_after_the_warm_up() -> None:
    assert _whole("constant", 5, 0.4) == pytest.approx([1 / 2, 1, 1, 1, 1])


def test_wsd_stays_at_its_peak_and_falls_at_the_end() -> None:
    shares = [
        factor(step, 10, schedule="wsd", warmup_share=0.2, decay_share=0.4) for step in range(10)
    ]
    assert shares == pytest.approx([1 / 2, 1, 1, 1, 1, 1, 1, 3 / 4, 2 / 4, 1 / 4])


@pytest.mark.parametrize("warmup_share", [0.0, 0.1, 0.99])
@pytest.mark.parametrize("schedule", [*schedules.SHAPES, schedules.ROOT])
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_no_step_is_wasted(schedule: str, num_steps: int, warmup_share: float) -> None:
    """Every step of a run moves the weights, and none by more than the peak rate."""
    assert all(0 < share <= 1 for share in _whole(schedule, num_steps, warmup_share))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_how_it_was_pretrained(shape: str) -> None:
    found = published(shape)
    recipe = replace(Recipe(), **found.recipe)
    assert 0 < recipe.learning_rate < 0.1 and found.num_steps * found.tokens_per_batch > 1e9


def test_inverse_sqrt_falls_with_the_root_of_the_steps() -> None:
    """Whatever the number of steps: four times as many halve the rate."""
    shares = _whole("inverse_sqrt", 40, 0.1)
    assert shares[:4] == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])
    assert shares[15] == pytest.approx(1 / 2) and shares[35] == pytest.approx(1 / 3)
