"""From a table to a folder that other tools open, and back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mason
from mason.errors import CheckpointError, DataError, SettingsError
from mason.models.files import verify_manifest
from mason.reports import validate
from mason.workflows import Run
from tests.workflows.conftest import write_reviews

TEXTS = ["The pen: worth every penny.", "The bag: never again!", "A lamp."]


def test_a_run_leaves_a_model_with_its_papers(run: Run) -> None:
    assert run.folder is not None and run.report is not None
    verify_manifest(run.folder)
    results = json.loads((run.folder / "results.json").read_text(encoding="utf-8"))
    told = validate(results)
    assert told.data is not None and told.data.rows == {"train": 56, "valid": 7, "test": 7}
    assert told.training is not None and len(told.training.steps) == 12
    lines = (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["kind"] == "step" for line in lines) == 12
    assert set(told.extras) == {"explanations", "label_errors"}
    page = run.report.read_text(encoding="utf-8").replace("http://www.w3.org", "")
    assert "://" not in page
    for section in ("scores", "explanations", "label-errors", "data", "cost"):
        assert f'<section id="{section}">' in page


def test_the_loss_fell(run: Run) -> None:
    losses = [step["loss"] for step in run.results["training"]["steps"]]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_transformers_gives_the_same_logits(run: Run) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run.folder)
    peer = AutoModelForSequenceClassification.from_pretrained(run.folder).eval()
    with torch.no_grad():
        theirs = peer(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.numpy()
    assert peer.config.id2label == {0: "bad", 1: "good"}
    assert np.abs(run.model.logits(TEXTS) - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_a_saved_model_predicts_as_the_trained_one(run: Run) -> None:
    assert run.folder is not None
    again = mason.load(run.folder)
    assert again.labels == ("bad", "good") and again.temperature == run.model.temperature
    assert again.predict(TEXTS) == run.model.predict(TEXTS)
    prediction = again.predict(TEXTS[0])
    assert prediction.label == "good" and sum(prediction.probabilities.values()) == pytest.approx(1)


def test_evaluation_of_the_same_rows_by_file(run: Run, tmp_path: Path) -> None:
    assert run.folder is not None
    results = mason.evaluate(
        run.folder, write_reviews(tmp_path / "t.csv"), output=tmp_path / "page"
    )
    assert validate(results).evaluation is not None
    assert results["evaluation"]["rows"] == 70
    assert (tmp_path / "page" / "report.html").exists()


def test_a_contract_that_is_broken_is_named(run: Run, tmp_path: Path) -> None:
    import shutil

    assert run.folder is not None
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    facts = json.loads((folder / "mason.json").read_text(encoding="utf-8"))
    facts["input"]["tokenizer"] = "0" * 64
    (folder / "mason.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"mason\.json is not the file that was written"):
        mason.load(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(Exception, match="tokenizer"):
        mason.load(folder)


def test_mistakes_leave_nothing_behind(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(CheckpointError, match="did not write"):
        mason.train("all-MiniLM-L6-v2", data, output=theirs)
    with pytest.raises(SettingsError, match="No model"):
        mason.train(None, data, output=tmp_path / "new")
    with pytest.raises(SettingsError, match="learning_rate"):
        mason.train("all-MiniLM-L6-v2", data, **{"training.lerning_rate": 1})
    (tmp_path / "one.csv").write_text("text,label\n" + "fine,yes\n" * 30, encoding="utf-8")
    with pytest.raises(DataError):
        mason.train("all-MiniLM-L6-v2", tmp_path / "one.csv", output=tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.csv", "reviews.csv", "theirs"]


def test_a_model_without_labels_says_so() -> None:
    with pytest.raises(CheckpointError, match="train it first"):
        mason.load("all-MiniLM-L6-v2", task="classification")


def test_a_decoder_learns_and_opens_in_transformers(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForCausalLM

    from mason.sources import find_model
    from mason.text import load_tokenizer

    tokenizer = load_tokenizer(find_model("all-MiniLM-L6-v2"))
    config = LlamaConfig(
        vocab_size=tokenizer.num_tokens,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=37,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer.save(tmp_path / "llama")
    data = write_reviews(tmp_path / "reviews.csv")
    trained = mason.train(
        str(tmp_path / "llama"), data, output=tmp_path / "out", **{"training.max_steps": 2}
    )
    peer = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    for text, row in zip(TEXTS, trained.model.logits(TEXTS), strict=True):
        ids = torch.tensor([trained.model.encode([text]).tokens[0]])
        with torch.no_grad():
            theirs = peer(input_ids=ids).logits[0].numpy()
        assert np.abs(row - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_chinese_in_gbk_from_file_to_page(tmp_path: Path) -> None:
    things = ["手机", "台灯", "椅子", "水壶", "相机", "书包", "雨伞"]
    sayings = {
        "好评": ("很好用", "非常满意", "质量不错"),
        "差评": ("太差了", "用一天就坏", "不推荐"),
    }
    rows = [f"这个{t}{s}。,{label}" for label, ss in sayings.items() for t in things for s in ss]
    (tmp_path / "评论.csv").write_bytes("\n".join(["评论,标签", *rows]).encode("gbk"))
    from mason import language

    language.use("zh")
    trained = mason.train(
        "all-MiniLM-L6-v2",
        tmp_path / "评论.csv",
        output=tmp_path / "模型",
        **{"training.max_steps": 2},
    )
    assert trained.model.labels == ("好评", "差评") and trained.report is not None
    page = trained.report.read_text(encoding="utf-8")
    assert (
        'lang="zh' in page
        and "差评" in page
        and "guessed-encoding" in json.dumps(trained.results["data"]["findings"])
    )
