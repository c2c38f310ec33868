"""Attack and harden on a model that was really trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

import mason
from mason.errors import DataError, SettingsError
from mason.reports.validation import validate
from mason.security.victims import Inside
from mason.text import load_contract
from mason.text.cleaners import UNICODE
from mason.workflows import Classifier, Run
from mason.workflows.exporting import subject_of
from mason.workflows.hardening import _plan, _swaps
from tests.workflows.conftest import write_reviews

ATTACKED = "The l\u0430mp: w\u200borth \u0435very penny."


def test_attack_says_what_it_took(run: Run, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    told: list[str] = []
    results = mason.attack(
        run.model,
        data,
        attacks="typos,words,hotflip,trigger",
        rows=4,
        output=tmp_path / "out",
        notice=told.append,
    )
    validate(results)
    found = {one["name"]: one for one in results["security"]["attacks"]}
    assert list(found) == ["typos", "words", "hotflip", "trigger"] and len(told) == 4
    assert found["words"]["min_similarity"] == 0.8 and found["trigger"]["rows"] == 2
    for one in found.values():
        assert one["under_attack"]["value"] <= one["clean"]["value"]
        assert one["success"]["low"] <= one["success"]["value"] <= one["success"]["high"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "How does it break?" in page and "words of like use" in page


def test_hardened_model_cleans_what_it_reads(run: Run, tmp_path: Path) -> None:
    data, folder = write_reviews(tmp_path / "reviews.csv"), tmp_path / "hard"
    made = mason.harden(
        run.model, data, output=folder, means="cleaner", against="typos", face="homoglyphs", rows=4
    )
    faced = made.results["security"]["defences"][0]["faced"]
    assert [one["knows"] for one in faced] == [False, True]
    assert run.model.tokenizer.cleaner is None  # the user's own model stays as it was
    loaded = mason.load(folder)
    assert isinstance(loaded, Classifier) and loaded.tokenizer.cleaner == UNICODE
    plain = "The lamp: worth every penny."
    assert loaded.predict(ATTACKED) == loaded.predict(plain)
    assert run.model.predict(ATTACKED) != run.model.predict(plain)
    assert "What holds?" in (folder / "report.html").read_text(encoding="utf-8")


def test_words_are_put_right_by_the_texts_a_model_learned_from(run: Run, tmp_path: Path) -> None:
    data, folder = write_reviews(tmp_path / "reviews.csv"), tmp_path / "hard"
    mason.harden(
        run.model, data, output=folder, means="spelling", against="typos", face="typos", rows=4
    )
    loaded, plain = mason.load(folder), "The lamp: worth every penny."
    assert isinstance(loaded, Classifier)
    assert loaded.tokenizer.usage.following["worth"]["every"] > 1
    assert loaded.predict("Teh lmap: wroth evry peny.") == loaded.predict(plain)
    beside = tmp_path / "exported"
    beside.mkdir()
    subject_of(loaded).write_tokenizer(beside)
    contract = load_contract(beside)
    assert contract is not None and contract.cleaner is None
    assert not (beside / "spelling.json").exists(), "an export knows no cleaner"


@pytest.mark.parametrize(("compiled", "swaps"), [(True, 0), (False, 1)])
def test_who_wants_compiled_steps_gets_them_without_swapped_words(
    compiled: bool, swaps: int, run: Run
) -> None:
    plan = _plan("adversarial", "words", None, 4, 4, chinese=False)
    assert isinstance(run.model, Classifier)
    rows = [("Worth every penny.", "good")]
    assert len(_swaps(run.model, rows, plan, {"training.compile": compiled})) == swaps


def test_a_backdoor_is_planted_obeyed_and_leaves_the_model_as_it_was(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    data, told = write_reviews(tmp_path / "reviews.csv"), list[str]()
    before = {k: v.clone() for k, v in run.model.network.state_dict().items()}
    results = mason.workflows.backdoor(
        run.model,
        data,
        trigger="cf cf cf",
        target="good",
        share=0.3,
        output=tmp_path / "out",
        notice=told.append,
        **{"training.max_steps": 30, "training.learning_rate": 3e-4},
    )
    validate(results)
    (found,) = results["security"]["attacks"]
    assert found["name"] == "backdoor" and found["rows"] > 1
    assert found["success"]["value"] == 1.0 and found["clean"]["value"] > 0.5
    assert all("cf cf cf" in one["attacked"] and one["said"] == "good" for one in found["examples"])
    after = run.model.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert "training texts, which become good" in told[0]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a backdoor in the training data" in page
    for option, needs in (("--canary", "--unseen"), ("--target", "--backdoor")):
        assert command(["attack", "x", "--data", str(data), option, "a"]) == 2
        assert f"{option} needs {needs} too" in capsys.readouterr().err
    both = ["attack", "x", "--data", str(data), "--backdoor", "a", "--max-share", "0.1"]
    assert command(both) == 2 and "does not go with --backdoor" in capsys.readouterr().err
    with pytest.raises(DataError, match="none to poison"):
        mason.workflows.backdoor(run.model, data, trigger="cf", share=0.001)
    with pytest.raises(SettingsError, match="no label maybe"):
        mason.workflows.backdoor(run.model, data, trigger="cf", target="maybe")


def test_gradients_are_those_of_finite_differences(run: Run) -> None:
    model = run.model
    assert isinstance(model, Classifier)
    inside = Inside(model.network, model.tokenizer, model.encode)
    texts = ["a lamp", "a very slow radio"]
    _, gradients = inside.gradients(model.encode(texts), [0, 1])
    ids = model.encode(texts).tokens
    token, step = ids[1][2], 1e-2
    direction = torch.randn(inside.table.shape[1], generator=torch.Generator().manual_seed(0))

    def loss() -> float:
        logits = model.logits(texts).astype(np.float64)
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return float(-np.log(chances[[0, 1], [0, 1]]).sum())

    stack = model.network.encoder
    assert stack is not None
    weight = stack.embedding.tokens.weight
    before = weight.detach().clone()
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[token] = before[token] + sign * step * direction
        ends.append(loss())
    with torch.no_grad():
        weight.copy_(before)
    measured = (ends[0] - ends[1]) / (2 * step)
    told = sum(
        float(gradient[place] @ direction)
        for gradient, text in zip(gradients, ids, strict=True)
        for place, id in enumerate(text)
        if id == token
    )
    assert told == pytest.approx(measured, rel=2e-2, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rows": 0}, "--rows is 0"),
        ({"max_share": 1.5}, "--max-share is 1.5"),
        ({"min_similarity": 2.0}, "--min-similarity is 2.0"),
        ({"attacks": "magic"}, "no attack 'magic'"),
    ],
)
def test_bad_options_are_refused(
    run: Run, tmp_path: Path, options: dict[str, object], sentence: str
) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    with pytest.raises(SettingsError, match=sentence):
        mason.attack(run.model, data, **options)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="no defence 'hope'"):
        mason.harden(run.model, data, output=tmp_path / "x", means="hope")
    assert not (tmp_path / "x").exists()
