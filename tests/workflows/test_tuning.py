"""A search that is small, on real weights; and when a trial is given up."""

from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from mason.errors import SettingsError
from mason.metrics import Difference
from mason.training.history import Evaluation, History
from mason.training.recipe import Recipe
from mason.workflows.tuning import Tuned, _pruning, _Search, score_of, tune
from tests.workflows.conftest import write_reviews

MODEL = "all-MiniLM-L6-v2"


def test_a_search_says_what_it_bought(tmp_path: Path) -> None:
    file, said = write_reviews(tmp_path / "reviews.csv"), []
    found = tune(
        MODEL,
        file,
        budget="1m",
        trials=2,
        seeds=2,
        notice=said.append,
        **{"training.max_steps": 3, "training.probe_rows": 0},
    )
    assert found.trials == len(said) == 2 and len(found.bests) == 2
    assert found.score >= found.default_score
    assert found.gain.low <= found.gain.value <= found.gain.high
    if not found.settings:
        assert found.defaults == found.bests and "keep them" in found.sentence


@pytest.mark.parametrize(
    ("low", "words"), [(0.002, "is better than the default by +1.0 points"), (-0.01, "Keep the")]
)
def test_only_an_interval_above_nothing_is_a_gain(low: float, words: str) -> None:
    gain = Difference(0.01, low, 0.03)
    found = Tuned({"training.epochs": 2.0}, 9, 4, 0.9, 0.88, [0.8] * 3, [0.81] * 3, gain, 60.0)
    assert words in found.sentence


def test_a_trial_behind_the_others_is_given_up() -> None:
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=1)
    )

    def accuracies(trial: optuna.Trial) -> float:
        watch, history = _pruning(trial), History(8)
        for step in (2, 4, 6, 8):
            value = 0.9 if trial.number == 0 else 0.5
            history.evaluations.append(
                Evaluation(
                    step=step, epoch=1.0, train_loss=1.0, valid_loss=1.0, valid_accuracy=value
                )
            )
            watch(history)
            watch(SimpleNamespace(evaluations=history.evaluations, num_steps=8))  # told once
        return value

    study.optimize(accuracies, n_trials=2)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED"]
    assert list(study.trials[0].intermediate_values) == [1, 2, 3, 4]


def test_what_is_given_is_not_searched(tmp_path: Path) -> None:
    file = write_reviews(tmp_path / "reviews.csv")
    fixed = {"training.learning_rate": 1e-4, "training.batch_size": 8}
    given = {**fixed, "model.source": MODEL, "data.train": str(file)}
    search = _Search(given, lambda said: None)
    assert search.searched == ["epochs", "label_smoothing"]
    search.default = Recipe(epochs=3)
    proposed = search._proposed(optuna.create_study().ask())
    assert proposed.keys() == {"training.epochs", "training.label_smoothing"}
    numbers = _Search({**given, "task": "regression"}, lambda said: None)
    assert numbers.searched == ["epochs"], "labels that are numbers are not smoothed"
    everything = {**fixed, "training.epochs": 1, "training.label_smoothing": 0.1}
    with pytest.raises(SettingsError, match="leave one out"):
        tune(MODEL, file, **everything)


def test_refusals() -> None:
    with pytest.raises(SettingsError, match="at least 2 trials"):
        tune(MODEL, "any.csv", trials=1)
    with pytest.raises(SettingsError, match="tagging, regression, not embedding"):
        tune(MODEL, "any.csv", task="embedding")


def test_a_score_is_what_is_right_or_explained() -> None:
    assert score_of({"valid_accuracy": 0.8, "valid_loss": 0.5}) == 0.8
    assert score_of({"valid_accuracy": None, "valid_loss": 0.25}) == 0.75
    assert score_of({"valid_loss": 1.5}) == 0.0, "worse than the mean"
