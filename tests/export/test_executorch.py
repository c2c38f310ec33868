"""ExecuTorch's own runtime runs what a phone would: texts of any length, the same logits."""

import sys
from pathlib import Path

import pytest
import torch

from mason.errors import SettingsError
from mason.workflows import Model

TEXTS = ["chair", "The radio works well", "it broke at once, a waste of money, " * 4]


def test_texts_of_any_length(classifier: Model, tmp_path: Path) -> None:
    runtime = pytest.importorskip("executorch.runtime")
    done = classifier.export(tmp_path / "phone.pte")
    assert done.path == tmp_path / "phone" / "phone.pte" and done.proof.delta <= 1e-3
    method = runtime.Runtime.get().load_program(done.path).load_method("forward")
    for text, wanted in zip(TEXTS, classifier.logits(TEXTS), strict=True):
        ids = torch.tensor(classifier.tokenizer.encode_ids([text]))
        found = method.execute((ids, torch.ones_like(ids), torch.zeros_like(ids)))[0]
        assert (found[0] - torch.from_numpy(wanted)).abs().max() <= 1e-3


def test_what_is_missing_is_named(
    classifier: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "executorch.exir", None)
    with pytest.raises(SettingsError, match=r'executorch\S*: pip install "mason-lm\[phone\]"'):
        classifier.export(tmp_path / "phone.pte")
