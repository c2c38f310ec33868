"""Private training: what its promise needs, and how it is told."""

from dataclasses import asdict, replace
from typing import Any

from mason.errors import SettingsError
from mason.settings import Settings
from mason.training.batches import epoch_batches
from mason.training.history import History
from mason.training.privacy import ACCOUNTANT, Privacy
from mason.training.recipe import Recipe
from mason.workflows.tasks import Examples


def private_recipe(recipe: Recipe, settings: Settings, train: Examples, *, given: bool) -> Recipe:
    """The recipe of a private run, where one is asked for.

    Args:
        recipe: Of the run.
        settings: What the user says.
        train: What is learned from.
        given: Whether a trained model is there to start from.

    Raises:
        SettingsError: The promise could not be kept or stated.
    """
    asked = settings.training
    if asked.privacy_epsilon is None:
        if asked.privacy_delta is not None:
            raise SettingsError("--training.privacy-delta needs --training.privacy-epsilon.")
        return recipe
    if not given:
        raise SettingsError(
            "A private run needs a model to start from: words for a new one would be taken from "
            "the rows themselves. Give one with --model."
        )
    if asked.budget is not None:
        raise SettingsError(
            "How many steps fit --training.budget is not known before, and so neither is what they "
            "give away; give --training.epochs or --training.max-steps."
        )
    if asked.probe_rows:
        raise SettingsError("--training.probe-rows reads rows as they are; leave it out.")
    steps_per_epoch = len(epoch_batches(train.lengths, recipe, epoch=0))
    privacy = Privacy.within(
        asked.privacy_epsilon,
        asked.privacy_delta,
        rows=len(train),
        steps=recipe.num_steps(steps_per_epoch),
        size=-(-len(train) // steps_per_epoch),
    )
    return replace(recipe, privacy=privacy, probe_rows=0)


def privacy_block(recipe: Recipe, history: History, rows: int) -> dict[str, Any]:
    """The block ``security`` of a private run; none of another."""
    if recipe.privacy is None:
        return {}
    told = {
        **asdict(recipe.privacy),
        "spent": recipe.privacy.spent(history.step),
        "steps": history.step,
        "rows": rows,
        "clip_norm": recipe.clip_norm,
        "accountant": ACCOUNTANT,
    }
    return {"security": {"seed": recipe.seed, "privacy": told}}
