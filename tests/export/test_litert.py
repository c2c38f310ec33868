"""LiteRT's own interpreter runs what a phone would: the shortest signature that fits, one text."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mason.errors import SettingsError
from mason.export.litert import _shortest
from mason.workflows import Model

TEXTS = ["chair", "The radio works well", "it broke at once, a waste of money, " * 4]


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-3), ("int8", 0.5)])
def test_texts_of_any_length(
    precision: str, near: float, classifier: Model, tmp_path: Path
) -> None:
    pytest.importorskip("litert_torch")
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    done = classifier.export(tmp_path / "phone.tflite", precision=precision)
    assert done.path == tmp_path / "phone" / "phone.tflite" and done.proof.agreement > 0.95
    opened = interpreter.Interpreter(str(done.path))
    lengths = sorted(int(name.split("_")[1]) for name in opened.get_signature_list())
    assert lengths[0] == 32 and len(lengths) > 1
    for text, wanted in zip(TEXTS, classifier.logits(TEXTS), strict=True):
        (ids,) = classifier.tokenizer.encode_ids([text])
        runner = opened.get_signature_runner(f"tokens_{min(n for n in lengths if n >= len(ids))}")
        inputs = sorted(runner.get_input_details().items())
        given = {name: np.zeros(told["shape"], told["dtype"]) for name, told in inputs}
        for (name, _), part in zip(inputs, (ids, [1] * len(ids), []), strict=True):
            given[name][0, : len(part)] = part
        (found,) = runner(**given).values()
        assert np.abs(found[0] - wanted).max() <= near


def test_the_shortest_signature_that_fits() -> None:
    assert [_shortest([32, 128, 256], size) for size in (1, 32, 33, 256)] == [32, 32, 128, 256]
    with pytest.raises(SettingsError, match="257 tokens does not fit"):
        _shortest([32, 128, 256], 257)


def test_what_is_missing_is_named(
    classifier: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(SettingsError, match=r'litert_torch: pip install "mason-lm\[litert\]"'):
        classifier.export(tmp_path / "phone.tflite")
