"""Each task behind its route says what ``predict`` says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForTokenClassification

import mason
from mason.serving import Reading, Served
from mason.workflows import Answerer, Classifier, Labeller, Regressor, Tagger
from mason.workflows.opening import Chosen
from mason.workflows.rewriter import Summariser
from mason.workflows.serving import as_served, open_served
from mason.workflows.tasks import find_task
from tests.contracts.tiny import write_model

from .conftest import serving

TEXTS = ["a fine radio, well made.", "it broke at once"]
LABELS: dict[str, list[str] | None] = {
    "classification": ["good", "bad"],
    "multilabel": ["cheap", "loud", "old"],
    "regression": ["stars"],
    "tagging": ["B-THING", "I-THING", "O"],
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


def asked(base: Path, task: str, path: str, body: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The model, and what the server says of a body."""
    torch.manual_seed(3)
    if task == "answering":  # ``load`` wants one that has learned to
        model = find_task(task).start(base, Chosen(str(base)), None)  # type: ignore[arg-type]
    else:
        model = mason.load(base, task=task, labels=LABELS[task])
    model.network.eval()
    served = as_served(model)
    assert isinstance(served, Reading)
    with serving(Served("tiny", served)) as server:
        status, told, _ = server.ask(path, body)
        assert status == 200, told
        assert told["model"] == "tiny" and told["usage"]["total_tokens"] > 0
        too_long = body | {next(iter(body)): "radio " * 99}
        assert server.ask(path, too_long)[0] == 400
    return model, told["data"]


def test_classes(base: Path) -> None:
    model, told = asked(base, "classification", "/v1/classify", {"input": TEXTS})
    assert isinstance(model, Classifier)
    for one, found in zip(told, model.predict(TEXTS), strict=True):
        assert one["label"] == found.label
        assert one["probabilities"] == pytest.approx(found.probabilities, abs=1e-6)


def test_pairs_of_texts(base: Path) -> None:
    body = {"input": TEXTS, "pair": TEXTS[::-1]}
    model, told = asked(base, "classification", "/v1/classify", body)
    found = model.predict(TEXTS, TEXTS[::-1])
    assert [one["probability"] for one in told] == pytest.approx([f.probability for f in found])
    served = as_served(model)
    assert isinstance(served, Reading)
    mixed = served.answers([(TEXTS[0], None), (TEXTS[0], TEXTS[1]), (TEXTS[1], None)])
    assert mixed[1]["probability"] == pytest.approx(told[0]["probability"], abs=1e-6)


def test_labels_and_values(base: Path) -> None:
    model, told = asked(base, "multilabel", "/v1/classify", {"input": TEXTS})
    assert isinstance(model, Labeller)
    assert [one["labels"] for one in told] == [[*f.labels] for f in model.predict(TEXTS)]
    model, told = asked(base, "regression", "/v1/classify", {"input": TEXTS[0]})
    assert isinstance(model, Regressor)
    assert told[0]["value"] == pytest.approx(model.predict(TEXTS[0]), abs=1e-6)


def test_tags(base: Path) -> None:
    model, told = asked(base, "tagging", "/v1/tag", {"input": TEXTS})
    assert isinstance(model, Tagger)
    for one, found in zip(told, model.predict(TEXTS), strict=True):
        assert [word["tag"] for word in one["words"]] == found.tags
        assert [found.text[w["start"] : w["end"]] for w in one["words"]] == [
            w["word"] for w in one["words"]
        ]


def test_answers(base: Path) -> None:
    body = {"question": "what broke?", "context": "the radio broke at once, the lamp works well."}
    model, told = asked(base, "answering", "/v1/answer", {**body, "num_answers": 3})
    (one,) = told
    assert isinstance(model, Answerer) and 1 <= len(one["answers"]) <= 3
    for answer in one["answers"]:
        assert body["context"][answer["start"] : answer["end"]] == answer["text"]


def test_a_lone_decoder_reads_what_leaves_room_to_write() -> None:
    model = mason.load("SmolLM2-135M-Instruct", task="summarisation", max_tokens=60)
    assert isinstance(model, Summariser)
    model.max_new_tokens = 40
    served = as_served(model)
    assert isinstance(served, Reading) and served.max_tokens == model.room == 60 - 40 - 1
    fits, cut = model.sources(["word " * 15, "word " * 30])
    lengths = served.lengths([("word " * 15, None), ("word " * 30, None)])
    assert not fits.cut and cut.cut and lengths[0] <= served.max_tokens < lengths[1]


def test_a_folder_of_another_tool_is_served_for_what_its_files_say(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=160, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=20, num_labels=3,
    )  # fmt: skip
    write_model(tmp_path / "tagger")
    for file in ("model.safetensors", "config.json", "mason.json"):
        (tmp_path / "tagger" / file).unlink(missing_ok=True)
    BertForTokenClassification(config).save_pretrained(tmp_path / "tagger")
    served = open_served(str(tmp_path / "tagger"))
    assert isinstance(served.model, Reading) and served.model.does == "tag"
