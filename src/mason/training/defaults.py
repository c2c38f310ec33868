"""A recipe for a person who names none: from the size of model and data."""

from dataclasses import fields, replace
from typing import Any

from mason.settings import TrainingSettings
from mason.training.recipe import Recipe

_SMALL, _TINY = 40_000_000, 5_000_000
"""Parameters below which a model wants a higher learning rate, and a much higher one."""


def recipe_for(settings: TrainingSettings, *, num_parameters: int, num_examples: int) -> Recipe:
    """Every number of a run: what the settings say, else a good default.

    Few examples are seen more often; small models learn at a higher rate; a new head is fitted
    to the features first, so that fewer epochs do; a little label smoothing helps both accuracy
    and calibration. How the numbers were found is in LOG.md.
    """
    small = num_parameters < _SMALL
    if num_parameters < _TINY:
        epochs, batch_size, rate = 6.0, 32, 1e-3
    elif small and num_examples >= 2000:
        epochs, batch_size, rate = 2.0, 32, 1.6e-4
    else:
        epochs = 10.0 if num_examples < 500 else 6.0 if num_examples < 2000 else 3.0
        batch_size, rate = 16, 8e-5 if small else 5e-5
    recipe = Recipe(
        epochs=epochs,
        batch_size=(settings.batch_size or batch_size) * (settings.accumulation or 1),
        learning_rate=rate,
        probe_rows=1024,
        evaluations_per_epoch=1 if epochs >= 4 else 2,  # a trend needs three
        label_smoothing=0.1,
    )
    if settings.optimizer == "adafactor":  # its rate is a share of the weights' own size
        recipe = replace(recipe, learning_rate=1e-3)
    if settings.optimizer == "schedule_free":  # its average stands for the fall of the rate
        recipe = replace(recipe, schedule="constant")
    return replace(recipe, **named(settings, but={"batch_size", "accumulation"}))


def named(settings: TrainingSettings, but: set[str]) -> dict[str, Any]:
    """The fields of a recipe that `settings` name, all `but` some.

    Settings for the model or the machine, of which a recipe knows nothing, are left out.
    """
    known = {field.name for field in fields(Recipe)}
    return {
        name: value
        for name, value in settings.model_dump(exclude_none=True).items()
        if name in known and name not in but
    }
