import pytest
import yaml
from huggingface_hub import ModelCard

from mason.reports import write_card
from tests.reports.samples import chinese, sample


def front_matter(text: str):
    return yaml.safe_load(text.split("---\n")[1])


def test_the_hub_reads_the_front_matter(tmp_path):
    results = sample()
    results["model"]["hub_id"] = "microsoft/MiniLM-L12-H384-uncased"
    path = write_card(results, tmp_path)
    assert path == tmp_path / "README.md"
    data = ModelCard.load(path).data
    assert data.language == ["en"] and data.license == "mit"
    assert data.base_model == "microsoft/MiniLM-L12-H384-uncased"
    assert data.pipeline_tag == "text-classification" and "mason" in data.tags
    wanted = results["evaluation"]["scores"]
    found = {r.metric_name: r.metric_value for r in data.eval_results}
    assert found["accuracy"] == pytest.approx(wanted["accuracy"]["value"], abs=1e-6)
    assert found["macro f1"] == pytest.approx(wanted["macro_f1"]["value"], abs=1e-6)
    assert data.eval_results[0].dataset_name == "train.csv"


def test_says_what_it_is_how_good_and_what_to_fear(tmp_path):
    text = write_card(sample(), tmp_path).read_text(encoding="utf-8")
    for part in ("# questions", "of 100 unseen texts", "4,907 texts", "Overfits",
                 "mason train --task", "Weakest label: ENTY", "at most 32 tokens"):  # fmt: skip
        assert part in text


def test_chinese(tmp_path):
    text = write_card(chinese(), tmp_path).read_text(encoding="utf-8")
    assert front_matter(text)["language"] == ["zh"]
    assert "# 酒店评论" in text and "## 效果如何" in text and "如何使用" in text


def test_little_is_known(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    required = {"version": 1, "kind": "evaluate", "created": "2026", "mason": "0.1.0"}
    text = write_card(required, folder).read_text(encoding="utf-8")
    assert text.split("---\n")[2].strip().startswith("# my-model")
    assert set(front_matter(text)) == {"library_name", "tags"}


def test_hostile_names_stay_text(tmp_path):
    hostile = "---\nlicense: evil\n# <script>|`x`"
    results = sample(name=hostile, command="echo ``` ````")
    results["model"] |= {"source": hostile, "license": hostile}
    text = write_card(results, tmp_path).read_text(encoding="utf-8")
    assert yaml.safe_load(text.split("\n---\n\n")[0][4:])["license"] == hostile
    body = text.split("\n---\n\n", 1)[1]
    assert "<script>" not in body.replace(r"\<script\>", "")
    assert "`````sh\necho ``` ````\n`````" in body
