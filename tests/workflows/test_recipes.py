"""The recipes that TF Model Garden has experiments for: each starts, in small, as it stands."""

from pathlib import Path
from typing import Any

import pytest

import mason
from mason.settings import load_settings
from tests.contracts.source_tree import ROOT
from tests.contracts.tiny import write_model

from .test_pretraining import corpus as corpus
from .test_tagging_and_answering import write_questions, write_sentences
from .test_text_to_text import write_pairs

SMALL: dict[str, Any] = {
    "training.max_steps": 2,
    "training.threads": 1,
    "output.checkpoints": 0,
    "output.report": False,
}


def _recipe(name: str) -> Path:
    return ROOT / "recipes" / f"{name}.yaml"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASON_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("name", "shape"), [("bert", "bert-tiny"), ("electra", "electra-tiny")])
def test_pretraining_starts(name: str, shape: str, corpus: Path, tmp_path: Path) -> None:
    given = {"model.shape": shape, "model.vocab_size": 300, "model.max_tokens": 32}
    given |= {"training.tokens_per_batch": 256, "data.valid_share": 0.1}
    recipe = _recipe(f"{name}/pretraining")
    run = mason.pretrain(str(corpus), output=tmp_path / "out", config=recipe, **given, **SMALL)
    told, resolved = run.results, run.results["recipe"]["resolved"]
    assert told["pretraining"]["objective"] == name and told["training"]["last_step"] == 2
    published = load_settings(recipe).settings.training
    assert resolved["learning_rate"] == published.learning_rate == 1e-4
    assert resolved["schedule"] == "linear" and resolved["warmup_share"] == 0.01


@pytest.mark.parametrize(
    ("name", "write", "file"),
    [("squad", write_questions, "rows.jsonl"), ("tagging", write_sentences, "rows.conll")],
)
def test_fine_tuning_starts(name: str, write: Any, file: str, tmp_path: Path) -> None:
    model, data = write_model(tmp_path / "model"), write(tmp_path / file)
    given = {"model.max_tokens": 64, "training.batch_size": 8}
    recipe = _recipe(f"bert/{name}")
    run = mason.train(model, data, output=tmp_path / "out", config=recipe, **given, **SMALL)
    resolved = run.results["recipe"]["resolved"]
    assert run.results["training"]["last_step"] == 2
    assert resolved["learning_rate"] == 8e-5 and resolved["weight_decay"] == 0.01


def test_translation_starts(tmp_path: Path) -> None:
    given = {"model.shape": "marian-tiny", "model.vocab_size": 1000, "data.test_share": 0.02}
    given |= {"training.tokens_per_batch": 512, "data.text": "zh", "data.target": "en"}
    data = tmp_path / "pairs.jsonl"
    lines = write_pairs(tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()
    data.write_text("\n".join(lines[:400]), encoding="utf-8")
    recipe = _recipe("wmt_transformer")
    run = mason.train(data=data, output=tmp_path / "out", config=recipe, **given, **SMALL)
    resolved = run.results["recipe"]["resolved"]
    assert run.results["training"]["last_step"] == 2
    peak = 2 / 1024**0.5 / 16_000**0.5
    assert resolved["learning_rate"] == pytest.approx(peak, rel=1e-3)
    assert resolved["warmup_share"] == pytest.approx(16_000 / 300_000, rel=1e-3)
    assert resolved["schedule"] == "inverse_sqrt" and resolved["label_smoothing"] == 0.1
