"""Padded batches in, logits out: beside Hugging Face's classifiers, replaced, saved, loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mason.errors import CheckpointError, DataError, SettingsError
from mason.models.checkpoints import load_model
from mason.models.padded import PaddedModel

SIZES = {"vocab_size": 61, "pad_token_id": 0, "eos_token_id": 2, "num_labels": 5}
BERT = {"hidden_size": 26, "num_hidden_layers": 2, "num_attention_heads": 2} | {
    "intermediate_size": 37,
    "max_position_embeddings": 19,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "llama": BERT | {"num_key_value_heads": 1, "head_dim": 10},
    "t5": {"d_model": 22, "d_kv": 6, "d_ff": 37, "num_layers": 2, "num_heads": 3}
    | {"decoder_start_token_id": 0},
}
LENGTHS = [7, 3, 11]


def _folder(kind: str, path: Path, **changes: Any) -> Path:
    """A small random classifier, as transformers saves it."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **SIZES | CONFIGS[kind] | changes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(path)
    return path


def _peer(path: Path) -> nn.Module:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(path).eval()


def _batch() -> dict[str, Tensor]:
    """Padded on the right; each text ends in its end-of-sequence token."""
    ids, mask = (torch.zeros(3, max(LENGTHS), dtype=torch.long) for _ in range(2))
    for i, n in enumerate(LENGTHS):
        ids[i, :n], mask[i, :n] = torch.arange(n) * 7 % 50 + 3, 1
        ids[i, n - 1] = 2
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("kind", CONFIGS)
@torch.no_grad()
def test_the_logits_are_hugging_faces(kind: str, tmp_path: Path) -> None:
    folder = _folder(kind, tmp_path / kind)
    model, theirs = PaddedModel.load(folder), _peer(folder)(**_batch()).logits
    assert not model.training
    mine = model(**_batch()).logits
    assert mine.shape == (3, 5)
    assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@torch.no_grad()
def test_token_types_and_a_batch_without_padding(tmp_path: Path) -> None:
    folder = _folder("bert", tmp_path / "bert")
    model, peer = PaddedModel.load(folder), _peer(folder)
    ids = torch.arange(14).view(2, 7) + 5
    types = (ids > 9).long()
    plain = model(ids).logits
    assert torch.allclose(plain, peer(ids).logits, atol=1e-6)
    typed = model(ids, token_type_ids=types).logits
    assert torch.allclose(typed, peer(ids, token_type_ids=types).logits, atol=1e-6)
    assert not torch.allclose(plain, typed, atol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_new_classifier_learns_is_saved_and_reloads_everywhere(kind: str, tmp_path: Path) -> None:
    model, batch = PaddedModel.load(_folder(kind, tmp_path / kind)), _batch()
    width, bias = model.classifier.in_features, model.classifier.bias is not None
    assert width == model.config.hidden_size
    model.classifier = nn.Linear(width, 7, bias=bias)
    assert model.config.num_labels == 7
    assert sum(p is model.classifier.weight for p in model.parameters()) == 1
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(3):
        loss = nn.functional.cross_entropy(model(**batch).logits, torch.tensor([6, 1, 3]))
        loss.backward()
        assert model.classifier.weight.grad is not None
        assert model.classifier.weight.grad.abs().sum() > 0
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    model.eval().save_pretrained(tmp_path / "saved")
    again = PaddedModel.load(tmp_path / "saved")
    with torch.no_grad():
        mine, theirs = model(**batch).logits, _peer(tmp_path / "saved")(**batch).logits
        assert mine.shape == (3, 7)
        assert torch.equal(again(**batch).logits, mine)
    assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_the_config_speaks_the_familys_language(tmp_path: Path) -> None:
    config = PaddedModel.load(_folder("t5", tmp_path / "t5")).config
    assert (config.model_type, config.d_model, config.hidden_size) == ("t5", 22, 22)
    assert config.num_labels == len(config.id2label) == 5


def test_labels_keep_their_names_where_their_number_stays(tmp_path: Path) -> None:
    names = {0: "red", 1: "green", 2: "blue", 3: "grey", 4: "pink"}
    model = PaddedModel.load(_folder("bert", tmp_path / "bert", id2label=names))
    model.classifier = nn.Linear(26, 5)
    assert model.config.id2label["2"] == "blue"
    model.classifier = nn.Linear(26, 3)
    assert model.config.id2label == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}


def test_a_model_without_a_classifier_gets_a_fresh_one_of_two(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(BertConfig(vocab_size=61, **BERT)).save_pretrained(tmp_path / "mlm")
    model = PaddedModel.load(tmp_path / "mlm")
    assert model.config.num_labels == model.classifier.out_features == 2
    assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.5)
    assert not model.classifier.bias.any()
    assert (
        "heads.classification.output.weight"
        in load_model(tmp_path / "mlm", heads=("classification",)).fresh
    )


@pytest.mark.parametrize(
    ("kind", "classifier"),
    [
        ("bert", nn.Linear(27, 3)),
        ("bert", nn.Linear(26, 3, bias=False)),
        ("bert", nn.Identity()),
        ("llama", nn.Linear(26, 3)),
    ],
)
def test_a_classifier_that_could_not_be_saved_is_refused(
    kind: str, classifier: nn.Module, tmp_path: Path
) -> None:
    model = PaddedModel.load(_folder(kind, tmp_path / kind))
    old = model.classifier
    with pytest.raises(
        SettingsError, match=rf"is nn.Linear\(26, num_labels, bias={kind == 'bert'}"
    ):
        model.classifier = classifier
    assert model.classifier is old


def test_batches_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    model = PaddedModel.load(_folder("bert", tmp_path / "bert"))
    ids = torch.ones(2, 20, dtype=torch.long)
    with pytest.raises(DataError, match="20 tokens, but the model has 19 positions"):
        model(ids)
    with pytest.raises(DataError, match="Row 1 of the batch has no token"):
        model(ids, torch.zeros_like(ids))


def test_a_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder = _folder("bert", tmp_path / "bert")
    with pytest.raises(CheckpointError, match="holds files that Mason did not write"):
        PaddedModel.load(folder).save_pretrained(folder)
