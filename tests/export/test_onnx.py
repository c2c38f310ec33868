"""ONNX in onnxruntime: batch and length are free, and what is not the same is not written."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

import mason
from mason.cli.main import run as command
from mason.errors import MasonError, SettingsError
from mason.export.proof import ParityError
from mason.models.eight_bits import hold_in_eight_bits, in_eight_bits
from mason.workflows import Model, export

TEXTS = ["The radio works well", "it broke at once, a waste of money", "chair"]


def answers(file: Path, texts: list[str]) -> np.ndarray:
    """As the card tells others to run it."""
    tokenizer = Tokenizer.from_file(str(file.parent / "tokenizer.json"))
    tokenizer.enable_padding()
    found = tokenizer.encode_batch(texts)
    session = onnxruntime.InferenceSession(file)
    given = {
        "input_ids": [t.ids for t in found],
        "attention_mask": [t.attention_mask for t in found],
        "token_type_ids": [t.type_ids for t in found],
    }
    names = [i.name for i in session.get_inputs()]
    return np.asarray(session.run(None, {name: given[name] for name in names})[0])


def test_others_run_it_and_get_our_logits(classifier: Model, tmp_path: Path) -> None:
    done = classifier.export(tmp_path / "shop.onnx")
    assert done.path == tmp_path / "shop" / "shop.onnx" and done.proof.holds
    assert done.proof.num_inputs == 60 and done.proof.origin == "texts it was trained on"
    wanted = classifier.logits(TEXTS)
    assert np.abs(answers(done.path, TEXTS) - wanted).max() <= 1e-4
    for text, row in zip(TEXTS, wanted, strict=True):
        assert np.abs(answers(done.path, [text])[0] - row).max() <= 1e-4
    card = (done.path.parent / "README.md").read_text(encoding="utf-8")
    assert "| answers alike (asked for: 98%) |  | 100.0% |" in card and "Labels: bad, good." in card


def test_the_code_of_the_card_cuts_texts_as_the_model_does(
    classifier: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = classifier.export(tmp_path / "shop.onnx").path.parent
    long = "The radio works well. " * 200
    code = (place / "README.md").read_text(encoding="utf-8").split("```")[1]
    monkeypatch.chdir(place)
    found: dict[str, Any] = {}
    exec(code.removeprefix("python").replace('"…"', repr(long)), found)
    assert np.abs(found["outputs"][0] - classifier.logits([long])).max() <= 1e-4


def test_a_model_in_8_bits_is_written_with_full_weights(trained: Path, tmp_path: Path) -> None:
    model = mason.load(trained)
    hold_in_eight_bits(model.network)
    done = model.export(tmp_path / "shop.onnx")
    assert done.proof.holds and in_eight_bits(model.network)
    assert (answers(done.path, TEXTS).argmax(1) == model.logits(TEXTS).argmax(1)).all()


def test_texts_of_a_table_prove_it_and_the_figures_are_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "The radio works well,good\nA waste of money,bad\n" * 40)
    words = ["export", str(trained), str(tmp_path / "out"), "--format", "onnx"]
    assert command([*words, "--precision", "int8", "--data", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "64 texts, from texts.csv" in printed and "onnxruntime" in printed
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert told["precision"] == "int8" and 0 < told["delta"] <= told["allowed"]


def test_vectors_of_texts(folder: Path, tmp_path: Path) -> None:
    model = mason.load(folder, task="embedding")
    done = model.export(tmp_path / "vectors.onnx")
    assert np.abs(answers(done.path, TEXTS) - model.predict(TEXTS)).max() <= 1e-5


def test_what_is_not_the_same_is_removed(classifier: Model, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"\(1e-12 is allowed\).*so it was removed") as caught:
        classifier.export(tmp_path / "shop.onnx", tolerance=1e-12)
    assert caught.value.exit_code == 2 and not list(tmp_path.iterdir())


def test_what_is_missing_is_named(
    classifier: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match=r'onnxruntime: pip install "mason-lm\[onnx\]"'):
        classifier.export(tmp_path / "shop.onnx")


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("shop", {}, "does not say what to write; add --format"),
        ("shop", {"format": "tflite"}, "--format is 'tflite'; choose one of"),
        ("shop.onnx", {"precision": "q4_0"}, "which onnx does not have; choose one of fp32, int8"),
    ],
)
def test_what_is_asked_for_in_vain(
    classifier: Model, tmp_path: Path, target: str, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        classifier.export(tmp_path / target, **options)


def test_a_head_that_never_learned_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MasonError, match="has not been trained to classify"):
        export(folder, tmp_path / "shop.onnx")
