"""mason explain --view on a real model: attention, lens, ablation, probes, nearest rows."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

import mason
from mason.cli.main import run as command
from mason.explanation.ablation import Part, ablate
from mason.reports import render
from mason.workflows import Run
from mason.workflows.ablating import row_scores
from mason.workflows.guesser import Guesser
from mason.workflows.loading import load_as_it_is
from mason.workflows.viewing import view
from mason.workflows.writer import Writer

from .conftest import write_reviews

TEXT = "The kettle: waste of money."


@pytest.fixture(scope="module")
def writer() -> Writer:
    found = load_as_it_is("SmolLM2-135M-Instruct")
    assert isinstance(found, Writer)
    return found


@pytest.fixture
def reviews(tmp_path: Path) -> str:
    return str(write_reviews(tmp_path / "reviews.csv"))


def _values(score: Callable[[], Any]) -> Any:
    return np.asarray(score().values)


def _looked(capsys: pytest.CaptureFixture[str], *asked: str) -> str:
    assert command(["explain", *asked]) == 0
    return capsys.readouterr().out


def test_attention_comes_with_a_rollout(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page"
    asked = [str(run.folder), "--view", "attention", "--text", TEXT, "--output", str(page)]
    shown = _looked(capsys, *asked)
    assert "Head 12" in shown and "not which words decided" in shown and "rollout" in shown
    results = json.loads((page / "results.json").read_text(encoding="utf-8"))
    (kind,) = results["extras"]["attention"]["kinds"]
    assert kind["keys"][:3] == ["[CLS]", "the", "kettle"] and len(kind["layers"]) == 6
    rows = kind["layers"][0]["heads"][0]["percent"]
    assert all(abs(sum(map(int, row.split())) - 100) <= len(rows) / 2 for row in rows)
    (picture,) = results["extras"]["explanations"]["pictures"]
    assert picture["method"] == "rollout" and picture["trust"]["faithfulness"]
    told = (page / "report.html").read_text(encoding="utf-8")
    assert told.count("<figure><svg") == 72 and "<script" not in told


def test_one_head_of_a_model_without_a_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["all-MiniLM-L6-v2", "--view", "attention", "--text", TEXT, "--layer", "2"]
    shown = _looked(capsys, *asked, "--head", "3", "--output", str(tmp_path / "page"))
    assert "Looks at" in shown and "rollout" not in shown
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert "Layer 2, head 3" in page and page.count("<figure><svg") == 0


def test_the_lens_of_a_decoder(writer: Writer) -> None:
    results = view(writer, "lens", text="The capital of France is")
    found = results["extras"]["lens"]
    assert found["token"] == "Paris" and len(found["layers"]) == 31
    assert found["layers"][-1]["rank"] == 1 and found["layers"][0]["rank"] > 1
    page = render(results)
    assert "it is the likeliest from layer" in page and 'id="lens"' in page
    other = view(writer, "lens", text="The capital of France is", why=" London")
    assert other["extras"]["lens"]["token"] == "London"
    assert "is number" in render(other)


def test_heads_of_a_decoder_are_worth_nats(writer: Writer, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    score, _ = row_scores(writer, data, 3, {})
    whole = score()
    assert whole.name == "nats"
    parts = [Part("decoder", 0), Part("decoder", 0, 4)]
    again = partial(_values, score)
    layer, head = ablate(writer.network, again(), again, parts)
    assert layer.change < -1 and abs(head.change) < -layer.change


def test_ablation(
    run: Run, reviews: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page"
    asked = [str(run.folder), "--view", "ablation", "--data", reviews, "--rows", "12"]
    shown = _looked(capsys, *asked, "--output", str(page))
    assert "Accuracy of the whole model" in shown and "Holm" in shown
    block = json.loads((page / "results.json").read_text("utf-8"))["extras"]["ablation"]
    assert len(block["parts"]) == 6 + 72 and block["rows"] == 12
    assert all(p["low"] <= p["change"] <= p["high"] for p in block["parts"])
    assert "whole layer" in (page / "report.html").read_text("utf-8")


def test_probes_of_texts(run: Run, reviews: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _looked(capsys, str(run.folder), "--view", "probes", "--data", reviews)
    assert "Most selective is layer" in shown
    found = view(mason.load(run.folder), "probes", data=reviews)["extras"]["probes"]
    assert found["kind"] == "texts" and len(found["layers"]) == 7
    assert found["layers"][-1]["accuracy"] == 1 > found["layers"][-1]["control"]


def test_probes_of_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{word} {tag}" for word, tag in (("the", "D"), ("cat", "N"), ("sat", "V"))]
    more = [f"{word} {tag}" for word, tag in (("a", "D"), ("dog", "N"), ("ran", "V"))]
    file = tmp_path / "tags.conll"
    file.write_text("\n\n".join("\n".join(one) for one in [rows, more] * 8) + "\n", "utf-8")
    asked = ("all-MiniLM-L6-v2", "--view", "probes", "--data", str(file))
    assert "one random label wherever it stands" in _looked(capsys, *asked)


def test_neighbours(run: Run, reviews: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (str(run.folder), "--view", "neighbours", "--text", TEXT, "--data", reviews)
    shown = _looked(capsys, *asked)
    assert TEXT in shown.splitlines()[1], "the text itself is a row, and the nearest"
    found = view(mason.load(run.folder), "neighbours", text=TEXT, data=reviews)
    block: dict[str, Any] = found["extras"]["neighbours"]
    assert block["rows"][0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert block["labels"]["bad"] > len(block["rows"]) / 2 and block["answer"].startswith("bad")
    with Path(reviews).open(encoding="utf-8") as stream:
        numbered = list(csv.DictReader(stream))
    one = block["rows"][0]
    assert numbered[one["row"] - 2]["text"] == one["text"], "rows are counted as in the file"
    vectors = view("all-MiniLM-L6-v2", "neighbours", text=TEXT, data=reviews)
    assert vectors["extras"]["neighbours"]["answer"] is None
    assert "nearest" in render(vectors)


@pytest.fixture
def guesser(tmp_path: Path) -> Path:
    """A masked language model of random weights, and a tokenizer of few words."""
    words = ["[PAD]", "[UNK]", "[MASK]", *"the capital of France is [ MASK ] Paris .".split()]
    words = list(dict.fromkeys(words))
    backend = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **marks).save_pretrained(
        tmp_path
    )
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**small, intermediate_size=8, vocab_size=len(words))
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    return tmp_path


def test_a_masked_language_model(guesser: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_as_it_is(guesser)
    assert isinstance(model, Guesser)
    encoding, place = model.encode("the capital of France is [MASK] .")
    assert place == 5 and encoding.ids[5] == model.tokenizer.special.mask
    assert len(encoding.ids) == 7 and encoding.spans[5] == (25, 31)
    likely = model.predict("the capital of France is [MASK] .")
    found = view(model, "lens", text="the capital of France is [MASK] .")["extras"]["lens"]
    assert found["hidden"] and found["token"] == likely[0].token
    assert found["layers"][-1]["probability"] == pytest.approx(likely[0].probability, abs=1e-6)
    assert command(["explain", str(guesser), "--view", "lens", "--text", "no gap"]) == 2
    assert "no [MASK]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--view", "tea-leaves"], "no view called 'tea-leaves'"),
        (["--view", "attention"], "needs --text"),
        (["--view", "probes", "--text", TEXT], "needs --data"),
        (["--view", "lens", "--text", TEXT, "--rows", "3"], "--rows means nothing to --view lens"),
        (["--view", "lens", "--text", TEXT], "is for classification"),
        (["--view", "attention", "--text", TEXT, "--head", "13"], "6 layers of 12 heads"),
        (["--view", "attention", "--text", "word " * 99], "at most 64"),
        (["--text", TEXT, "--layer", "2"], "--view attention"),
    ],
)
def test_mistakes(
    options: list[str], reason: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["explain", str(run.folder), *options]) == 2
    assert reason in capsys.readouterr().err
