"""Better settings than the default, by trying, within a budget; and whether they are better."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mason.errors import SettingsError
from mason.language import say
from mason.metrics import Difference, fold_difference
from mason.settings import Settings, load_settings
from mason.training.budgets import seconds_of
from mason.training.history import History
from mason.training.recipe import Recipe
from mason.workflows.fine_tuning import Session
from mason.workflows.keeping import Kept
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared
from mason.workflows.tasks import Examples, find_task

if TYPE_CHECKING:
    import optuna

Say = Callable[[str], None]
_SPREAD = 5.0
"""How far from the default rate is searched, in both directions."""
_BATCHES = (8, 16, 32, 64)
_QUARTERS = 4
SEARCHED = ("learning_rate", "batch_size", "epochs", "label_smoothing")
"""Settings of the training that are searched."""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        settings: By name: the best of all trials.
        trials: How many were run, the default's included.
        pruned: How many of them were stopped early, since others were ahead.
        score: Validation score of the best (see ``score_of``); the highest of many, and so too
            high.
        default_score: The default's, on the same rows.
        defaults: Test score of the default settings on each of the other seeds.
        bests: Of the best ones.
        gain: Mean of best minus default over those seeds, with its 95 % interval.
        seconds: All of it.
    """

    settings: dict[str, float | int]
    trials: int
    pruned: int
    score: float
    default_score: float
    defaults: list[float]
    bests: list[float]
    gain: Difference
    seconds: float

    @property
    def sentence(self) -> str:
        """What it bought."""
        figures = {
            "points": self.gain.value * 100,
            "low": self.gain.low * 100,
            "high": self.gain.high * 100,
            "seeds": len(self.bests),
        }
        if not self.settings:
            return say("No trial was better than the default settings; keep them.")
        if self.gain.low > 0:
            return say(
                "On {seeds} other seeds it is better than the default by {points:+.1f} points "
                "({low:+.1f} to {high:+.1f}).",
                **figures,
            )
        return say(
            "On {seeds} other seeds nothing proves that it is better than the default: "
            "{points:+.1f} points ({low:+.1f} to {high:+.1f}). Keep the default.",
            **figures,
        )


TASKS = ("classification", "tagging", "regression")
"""Whose scores between the steps say how good a run is."""


def score_of(told: Mapping[str, float | None]) -> float:
    """The share of rows or words that are right; for numbers the share of variance explained.

    Args:
        told: Scores between the steps, as ``Task.validate`` gives them.
    """
    accuracy, loss = told.get("valid_accuracy"), told.get("valid_loss")
    if accuracy is not None:
        return accuracy
    # A regression's loss is the share that is not explained; worse than the mean is worth nothing.
    return 0.0 if loss is None else max(0.0, 1 - loss)


class _Trial(Session):
    """A run that is measured by its validation and test score alone."""

    recipe: Recipe
    best: float = 0.0

    def _fit(
        self, model: Model, examples: Mapping[str, Examples], recipe: Recipe, kept: Kept | None
    ) -> History:
        self.recipe = recipe
        return super()._fit(model, examples, recipe, kept)

    def _measure(
        self,
        model: Model,
        prepared: Prepared,
        examples: Mapping[str, Examples],
        history: History,
        recipe: Recipe,
    ) -> dict[str, Any]:
        self.best = score_of(asdict(history.best)) if history.best else 0.0
        held = examples.get("test", examples["valid"])
        return {"score": score_of(self.task.validate(model, held))}


def tune(
    model: str | Path,
    data: str | Path,
    *,
    budget: str = "10m",
    trials: int = 20,
    seeds: int = 3,
    notice: Say = lambda sentence: None,
    **options: object,
) -> Tuned:
    """Search learning rate, batch, epochs and smoothing by the validation score.

    A tree-structured Parzen estimator (Bergstra et al. 2011) proposes, and a trial that is behind
    the median of the others at the same quarter of its run is stopped. What is found is held
    against the default on test rows and other seeds, for the best of many is best by luck, too.

    Args:
        model: As for ``mason.train``.
        data: As for ``mason.train``.
        budget: Time for the search; the trial under way is finished, and then the seeds.
        trials: Most trials.
        seeds: Other seeds on which best and default are compared, at least 2.
        notice: Called with a sentence after each trial.
        options: Settings by name, the same in all trials; those of ``SEARCHED`` among them are
            not searched.

    Raises:
        MasonError: The run is not possible, optuna is missing, or the task has no such score.
    """
    seconds = seconds_of(budget)
    if seconds is None or trials < 2 or seeds < 2:
        raise SettingsError(
            "mason tune needs a time such as 10m, at least 2 trials and at least 2 seeds."
        )
    given = {**options, "model.source": str(model), "data.train": str(data)}
    settings = load_settings(None, given).settings
    if find_task(settings.task).name not in TASKS:
        raise SettingsError(
            "mason tune knows {known}, not {task}.", known=", ".join(TASKS), task=settings.task
        )
    started = time.monotonic()
    study = (search := _Search(given, notice)).run(seconds, trials)
    default, best = study.trials[0], study.best_trial
    chosen = dict(best.params) if best.number else {}
    found = {f"training.{name}": value for name, value in chosen.items()}
    first = settings.training.seed + 1
    pairs = [search.beside(found, seed) for seed in range(first, first + seeds)]
    defaults, bests = (list(side) for side in zip(*pairs, strict=True))
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    return Tuned(
        found,
        len(study.trials),
        pruned,
        best.value or 0.0,
        default.value or 0.0,
        defaults,
        bests,
        fold_difference(defaults, bests),
        time.monotonic() - started,
    )


class _Search:
    """The trials of one call; every run takes the given settings and a few of its own."""

    def __init__(self, given: Mapping[str, object], notice: Say) -> None:
        self.given, self.notice = given, notice
        self.default: Recipe | None = None

    def run(self, seconds: float, trials: int) -> "optuna.Study":
        """The study, its first trial the default.

        Raises:
            SettingsError: There is nothing to search, or nothing to search with.
        """
        if not self.searched:
            raise SettingsError(
                "Every setting that mason tune searches is given ({names}); leave one out.",
                names=", ".join(SEARCHED),
            )
        try:
            import optuna
        except ImportError as error:
            raise SettingsError('mason tune needs optuna: pip install "mason-lm[tune]".') from error
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # a mistake is told once, by us
        settings = self._settings({})
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=settings.training.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        )
        study.optimize(self._try, n_trials=trials, timeout=seconds)
        return study

    def beside(self, found: Mapping[str, object], seed: int) -> tuple[float, float]:
        """Test score of default and best settings on a seed; one run where they are one."""
        of_seed = {"training.seed": seed}
        default = self._session(of_seed).run().results["score"]
        if not found:
            return default, default
        return default, self._session({**found, **of_seed}).run().results["score"]

    def _try(self, trial: "optuna.Trial") -> float:
        session = self._session(self._proposed(trial), trial)
        session.run()
        if self.default is None:
            self.default = session.recipe
        self.notice(
            say(
                "Trial {number}: {score:.1%} on validation.",
                number=trial.number + 1,
                score=session.best,
            )
        )
        return session.best

    def _proposed(self, trial: "optuna.Trial") -> dict[str, object]:
        usual = self.default
        if usual is None:
            return {}
        rate = usual.learning_rate
        ways: dict[str, Callable[[], object]] = {
            "learning_rate": lambda: trial.suggest_float(
                "learning_rate", rate / _SPREAD, rate * _SPREAD, log=True
            ),
            "batch_size": lambda: trial.suggest_categorical("batch_size", _BATCHES),
            "epochs": lambda: trial.suggest_float("epochs", usual.epochs / 2, usual.epochs * 2),
            "label_smoothing": lambda: trial.suggest_float("label_smoothing", 0.0, 0.2),
        }
        return {f"training.{name}": ways[name]() for name in self.searched}

    @property
    def searched(self) -> list[str]:
        """What is searched: all that the task has and the user did not fix."""
        unused = find_task(self._settings({}).task).unused
        free = (f"training.{name}" for name in SEARCHED)
        return [
            name.removeprefix("training.")
            for name in free
            if name not in unused and self.given.get(name) is None
        ]

    def _settings(self, own: Mapping[str, object]) -> Settings:
        return load_settings(None, {**self.given, **own}).settings

    def _session(self, own: Mapping[str, object], trial: "optuna.Trial | None" = None) -> _Trial:
        return _Trial(self._settings(own), None, _pruning(trial), lambda said: None, "")


def _pruning(trial: "optuna.Trial | None") -> Callable[[History], None]:
    """Tells the study where a run is after each evaluation, and stops it where that asks for it."""
    told = 0

    def watch(history: History) -> None:
        nonlocal told
        if trial is None or not history.evaluations:
            return
        now = history.evaluations[-1]
        quarter = int(_QUARTERS * now.step / history.num_steps)
        if quarter <= told:
            return
        import optuna

        told = quarter
        trial.report(score_of(asdict(now)), quarter)
        if quarter < _QUARTERS and trial.should_prune():
            raise optuna.TrialPruned

    return watch
