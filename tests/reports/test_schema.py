import json

import pytest

from mason.errors import DataError
from mason.reports import validate
from tests.reports.samples import sample


def test_accepts_a_full_run_through_json():
    results = validate(json.loads(json.dumps(sample())))
    assert results.evaluation.rows == 500
    assert results.training.overfitting.kind == "overfits"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.pop("kind"), "results.json lacks kind;"),
        (lambda r: r["evaluation"].pop("rows"), "results.json lacks evaluation.rows;"),
        (lambda r: r.update(robustness={}), "version 1 does not know: robustness; move it under"),
        (lambda r: r["cost"].update(second=1), "does not know: cost.second;"),
        (lambda r: r.update(version=2), "has version 2, and this Mason reads version 1"),
        (lambda r: r["data"]["labels"][1].update(train="many"), "data.labels.1.train: 'many' does"),
        (lambda r: r["training"].update(stopped="later"), "training.stopped: 'later' does not"),
        (lambda r: r.update(model=["x" * 500]), "model: ['xxxxx"),
    ],
)
def test_an_error_is_one_sentence_that_names_the_path(change, sentence):
    results = sample()
    change(results)
    with pytest.raises(DataError) as caught:
        validate(results)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_later_blocks_are_kept_under_extras():
    assert validate(sample(extras={"robustness": {"accuracy": 0.8}})).extras == {
        "robustness": {"accuracy": 0.8}
    }
