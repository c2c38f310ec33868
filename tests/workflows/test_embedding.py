"""Embeddings: those of the reference, learned from pairs and scores, opened by others."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import mason
from mason.cli.main import run as command
from mason.errors import DataError
from mason.sources import find_model
from mason.tasks.classification import Examples as Texts
from mason.tasks.embedding import EmbeddingObjective, Examples, Reading
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.workflows import Embedder, Run
from tests.contracts.tiny import THINGS, write_model

TEXTS = ["Worth every penny.", "It broke at once, sadly.", "A fine gift", "我爱北京"]
OPTIONS: dict[str, Any] = {
    "training.max_steps": 60,
    "training.epochs": 100,
    "training.learning_rate": 5e-3,
    "training.threads": 1,
}


@torch.no_grad()
def test_minilm_embeds_as_the_reference_does() -> None:
    folder = find_model("all-MiniLM-L6-v2")
    theirs = transformers.AutoModel.from_pretrained(folder)
    given = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, return_tensors="pt"
    )
    mask = given["attention_mask"][..., None]
    hidden = theirs(**given).last_hidden_state
    mean = (hidden * mask).sum(1) / mask.sum(1)
    wanted = torch.nn.functional.normalize(mean, dim=1).numpy()
    model = mason.load("all-MiniLM-L6-v2", task="embedding")
    assert isinstance(model, Embedder) and model.max_tokens == 256
    assert np.abs(model.predict(TEXTS) - wanted).max() < 1e-5
    assert np.allclose(model.predict(TEXTS[0]), model.predict(TEXTS)[0], atol=1e-6)


def write_pairs(file: Path, *, negative: bool = False) -> Path:
    """Two texts that name the same two things belong together."""
    draw, rows = random.Random(5), []
    for number in range(300):
        some, others = draw.sample(THINGS, 2), draw.sample(THINGS, 2)
        row = {"anchor": f"the {some[0]} a {some[1]}", "positive": f"{some[1]} {some[0]} {number}"}
        rows.append(row | ({"negative": f"{others[0]} {others[1]}"} if negative else {}))
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("embedded")
    data, model = write_pairs(folder / "pairs.jsonl"), write_model(folder / "model")
    return mason.train(model, data, task="embedding", output=folder / "out", **OPTIONS)


def test_pairs_are_found(trained: Run) -> None:
    told = trained.results["evaluation"]
    assert told["scores"].keys() == {"mrr", "recall_at_1", "recall_at_5", "recall_at_10", "ndcg"}
    assert told["scores"]["recall_at_10"]["value"] > 0.8
    assert [rival["name"] for rival in told["baselines"]] == ["TF-IDF", "BM25"]
    assert trained.folder is not None
    assert "Mean reciprocal rank" in (trained.folder / "report.html").read_text(encoding="utf-8")


def test_it_comes_back_and_sentence_transformers_opens_it(trained: Run) -> None:
    assert trained.folder is not None and isinstance(trained.model, Embedder)
    again = mason.load(trained.folder)
    assert isinstance(again, Embedder) and again.how == trained.model.how
    mine = trained.model.predict(["the radio", "a lamp"])
    assert np.array_equal(again.predict(["the radio", "a lamp"]), mine)
    other = pytest.importorskip("sentence_transformers")
    theirs = other.SentenceTransformer(str(trained.folder), device="cpu")
    assert np.abs(theirs.encode(["the radio", "a lamp"]) - mine).max() < 1e-5


def test_negatives_and_scores_are_learned_from(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    data = write_pairs(tmp_path / "pairs.jsonl", negative=True)
    said: list[str] = []
    short = OPTIONS | {"training.max_steps": 4}
    run = mason.train(model, data, task="embedding", notice=said.append, **short)
    assert any("not negative" in sentence for sentence in said)
    assert "mrr" in run.results["evaluation"]["scores"]
    rows = [json.loads(line) for line in data.open(encoding="utf-8")]
    scored = [
        {"sentence1": r["anchor"], "sentence2": r[side], "score": score}
        for r in rows
        for side, score in (("positive", 5), ("negative", 1))
    ]
    (tmp_path / "scored.jsonl").write_text("\n".join(map(json.dumps, scored)), encoding="utf-8")
    run = mason.train(model, tmp_path / "scored.jsonl", task="embedding", **OPTIONS)
    told = run.results["evaluation"]
    assert told["scores"]["spearman"]["value"] > 0.6 and told["baselines"][0]["name"] == "TF-IDF"


@pytest.mark.parametrize("sides", [2, 3])
def test_a_batch_in_passes_is_the_batch_at_once(sides: int, tmp_path: Path) -> None:
    """GradCache: the same gradients, dropout aside, and the same loss."""
    folder = write_model(tmp_path / "model")
    rng = np.random.default_rng(0)
    tokens = [[rng.integers(5, 40, rng.integers(2, 9)).tolist() for _ in range(23)] for _ in "abc"]
    tokens[1][3] = tokens[1][7]  # another row's positive, word for word
    examples = Examples(tuple(Texts(side) for side in tokens[:sides]), Reading())
    after = []
    for budget in (10_000, 40):
        model = mason.load(folder, task="embedding", dropout=0.0)
        recipe = Recipe(batch_size=23, max_steps=1, tokens_per_pass=budget, precision="fp32")
        objective = EmbeddingObjective(examples, temperature=0.05)
        history = fit(model.network, objective, recipe)
        after.append((history.steps[0].loss, history.steps[0].gradient_norm))
    assert after[0] == pytest.approx(after[1], rel=1e-5)


def test_the_loss_by_hand() -> None:
    examples = Examples((Texts([[1], [2]]), Texts([[3], [4]])))
    objective = EmbeddingObjective(examples, temperature=0.5)
    vectors = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [3.0, 4.0]]])
    cosines = torch.tensor([[1.0, 0.6], [0.0, 0.8]]) / 0.5
    wanted = torch.nn.functional.cross_entropy(cosines, torch.tensor([0, 1]), reduction="none")
    assert torch.allclose(objective.losses(vectors, [0, 1]), wanted)


def test_the_command_writes_vectors(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["embed", str(trained.folder), "the radio"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["text"] == "the radio" and len(told["embedding"]) == 34
    (tmp_path / "texts.txt").write_text("the radio\na lamp\n", encoding="utf-8")
    out = tmp_path / "out.npy"
    asked = ["embed", str(trained.folder), "--input", str(tmp_path / "texts.txt")]
    assert command([*asked, "--output", str(out)]) == 0
    assert np.load(out).shape == (2, 34)
    assert np.allclose(np.load(out)[0], told["embedding"], atol=1e-6)
    assert command([*asked, "--output", str(tmp_path / "out.csv")]) == 2
    assert "neither a .npy nor a .jsonl" in capsys.readouterr().err


def test_what_belongs_together_is_asked(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c\nthe pan,a pan,one\n", encoding="utf-8")
    with pytest.raises(DataError, match="belong together"):
        mason.check(tmp_path / "x.csv", task="embedding")
