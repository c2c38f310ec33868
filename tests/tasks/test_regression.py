"""Regression: the loss of transformers, a first fit as scikit-learn's, scores as scipy's, a run."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from transformers import BertConfig, BertForSequenceClassification

import mason
from mason.errors import DataError
from mason.metrics.regression import regression_scores
from mason.models.checkpoints import load_model
from mason.tasks.classification import Examples as Texts
from mason.tasks.classification import output_features
from mason.tasks.regression import Examples, RegressionObjective, fit_output, predict_values
from mason.workflows import Regressor

TOKENS = [[2, 5 + i % 7, 9 + i % 11, 13 + i % 5, *range(20, 20 + i % 6), 3] for i in range(40)]
TARGETS = [100.0 + 7.0 * (i % 7) - 3.0 * (i % 5) for i in range(40)]
EXAMPLES = Examples(Texts(TOKENS), TARGETS)


@pytest.fixture
def both(tmp_path: Path) -> tuple[torch.nn.Module, BertForSequenceClassification]:
    torch.manual_seed(2)
    sizes = {"vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"intermediate_size": 37, "num_labels": 1, "initializer_range": 0.2}
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    theirs = BertForSequenceClassification(BertConfig(**sizes, **more, **rates))
    theirs.save_pretrained(tmp_path)
    return load_model(tmp_path).model, theirs


def test_loss_and_gradients_are_those_of_transformers(
    both: tuple[torch.nn.Module, BertForSequenceClassification],
) -> None:
    ours, theirs = both
    loss = RegressionObjective(EXAMPLES).loss(ours, range(40)) / 40
    wanted = torch.zeros(())
    for tokens, target in zip(TOKENS, TARGETS, strict=True):  # one by one: nothing is padded
        wanted = wanted + theirs(torch.tensor([tokens]), labels=torch.tensor([target])).loss / 40
    wanted = wanted / float(np.var(TARGETS))
    assert torch.allclose(loss, wanted, rtol=1e-5)
    loss.backward()
    wanted.backward()
    mine = dict(ours.named_parameters())["heads.classification.output.weight"].grad
    assert mine is not None and theirs.classifier.weight.grad is not None
    assert torch.allclose(mine, theirs.classifier.weight.grad, rtol=1e-4, atol=1e-5)


def test_the_first_fit_is_ridge_regression(
    both: tuple[torch.nn.Module, BertForSequenceClassification],
) -> None:
    ours, _ = both
    features, order = output_features(ours, EXAMPLES.texts, 40, 0, 8192)  # type: ignore[arg-type]
    centred = features - features.mean(0)
    alpha = 0.1 * float((centred.T @ centred).diagonal().mean())
    wanted = Ridge(alpha=alpha).fit(features.numpy(), [TARGETS[i] for i in order])
    fit_output(ours, EXAMPLES, rows=1000, seed=0)  # type: ignore[arg-type]
    found = predict_values(ours.eval(), EXAMPLES)  # type: ignore[arg-type]
    assert np.allclose(found[order], wanted.predict(features.numpy()), atol=1e-3)
    spread = RegressionObjective(EXAMPLES).loss(ours, range(40)).item() / 40
    assert spread < 0.9  # better than the mean, though the targets stand at 100


def test_scores_are_those_of_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    right = rng.normal(size=200)
    said = np.round(right + rng.normal(size=200), 1)  # with ties
    told = regression_scores(right, said)
    wanted = {
        "pearson": scipy.stats.pearsonr(right, said).statistic,
        "spearman": scipy.stats.spearmanr(right, said).statistic,
        "r2": r2_score(right, said),
    }
    assert {k: v.value for k, v in told.overall.items()} == pytest.approx(wanted)
    assert told.distances["mae"].value == pytest.approx(mean_absolute_error(right, said))
    assert told.distances["rmse"].value == pytest.approx(mean_squared_error(right, said) ** 0.5)
    theirs = scipy.stats.pearsonr(right, said).confidence_interval()
    low, high = told.overall["pearson"].low, told.overall["pearson"].high
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.03)
    same = regression_scores([1, 2, 3], [2, 2, 2])
    assert same.overall["pearson"].value == 0.0


@pytest.mark.parametrize("right", [[-1.0] * 5, [2.5], [0.1] * 3])
def test_where_targets_do_not_vary_there_is_no_variance_to_explain(right: list[float]) -> None:
    told = regression_scores(right, np.arange(len(right)))
    assert set(told.overall) == {"pearson", "spearman"} and told.distances["mae"].value > 0
    json.dumps(asdict(told), allow_nan=False)  # as results.json is written
    ends = regression_scores([0.1, 0.1, 0.3], [0.1, 0.2, 0.2]).overall["r2"]
    assert -1e3 < ends.low < ends.high  # draws of 0.1 alone count for nothing


def test_cutting_and_telling_data_apart() -> None:
    assert EXAMPLES.cut(4).lengths == [min(4, len(t)) for t in TOKENS]
    other = replace(EXAMPLES, targets=[*TARGETS[:-1], TARGETS[-1] + 0.5])
    assert list(other.columns) != list(EXAMPLES.columns)


def test_stars_are_learned_from_reviews(tmp_path: Path) -> None:
    """MiniLM's real weights: more than a linear fit on nothing, and the folder comes back."""
    words = {"awful": 1, "poor": 2, "fair": 3, "good": 4, "excellent": 5}
    things = "phone lamp chair book kettle radio camera tent bag clock".split()
    lines = [f'"The {t} is {w}.",{n}' for t in things for w, n in words.items()]
    data = tmp_path / "stars.csv"
    data.write_text("\n".join(["text,stars", *lines]) + "\n", encoding="utf-8")
    options = {"task": "regression", "data.label": "stars", "training.max_steps": 8}
    run = mason.train("all-MiniLM-L6-v2", data, output=tmp_path / "out", **options)
    told = run.results["evaluation"]
    assert told["scores"]["pearson"]["value"] > 0.7
    assert told["distances"]["mae"]["value"] < 1.2
    assert (tmp_path / "out" / "report.html").exists()
    alike = tmp_path / "alike.csv"  # as where nobody may see the test labels of STS-B
    alike.write_text("\n".join(["text,stars", "Fine.,-1", "A poor pen.,-1"]), encoding="utf-8")
    named = {"output": tmp_path / "page", "label": "stars"}
    found = mason.evaluate(tmp_path / "out", alike, **named)["evaluation"]
    assert set(found["scores"]) == {"pearson", "spearman"}
    assert (tmp_path / "page" / "report.html").exists()
    again = mason.load(tmp_path / "out")
    assert isinstance(again, Regressor)
    low, high = again.predict(["The tent is awful.", "The clock is excellent."])
    assert low < high
    assert again.predict("The tent is awful.") == pytest.approx(low, abs=1e-4)


def test_pairs_are_read_as_pairs(tmp_path: Path) -> None:
    """As in STS-B: how alike two sentences are; one sentence alone is refused afterwards."""
    things = "phone lamp chair book kettle radio".split()
    lines = [
        f"A {a} on the table.,A {b} on the table.,{5 if a == b else i % 2}"
        for i, a in enumerate(things)
        for b in things
    ]
    data = tmp_path / "alike.csv"
    data.write_text("\n".join(["sentence1,sentence2,score", *lines]) + "\n", encoding="utf-8")
    options = {"task": "regression", "data.label": "score", "training.max_steps": 2}
    model = mason.train("all-MiniLM-L6-v2", data, output=tmp_path / "out", **options).model
    assert isinstance(model, Regressor) and model.pairs
    both = model.encode(["A lamp."], ["A chair."])
    assert both.token_types is not None and set(both.token_types[0]) == {0, 1}
    again = mason.load(tmp_path / "out")
    given = ("A lamp on the table.", "A lamp on the table.")
    assert again.predict(*given) == pytest.approx(model.predict(*given), abs=1e-4)
    with pytest.raises(DataError, match="trained on pairs"):
        again.predict("A lamp on the table.")


def test_what_is_no_number_is_named(tmp_path: Path) -> None:
    data = tmp_path / "stars.csv"
    lines = ["text,stars", *(f"text number {i},{i % 5}" for i in range(30)), "a text,many"]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 3\d, column stars: 'many' is no number"):
        mason.train("all-MiniLM-L6-v2", data, task="regression", **{"data.label": "stars"})
