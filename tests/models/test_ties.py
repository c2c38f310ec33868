"""Tied weights: copies that agree, copies that differ, and files that hold only the copy."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from mason.errors import CheckpointError
from mason.models.checkpoints import load_model

TINY = {
    "vocab_size": 31,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 17,
}
EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"


def _save(folder: Path, *, tied: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(**TINY, tie_word_embeddings=tied)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def _overwrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_copy_that_agrees_is_read(tmp_path: Path) -> None:
    tensors = _save(tmp_path, tied=True)
    _overwrite(tmp_path, {**tensors, OUTPUT: tensors[EMBEDDING].clone()})
    checkpoint = load_model(tmp_path)
    assert (checkpoint.fresh, checkpoint.dropped) == ((), ())


def test_a_copy_that_differs_is_refused_with_the_way_out(tmp_path: Path) -> None:
    tensors = _save(tmp_path, tied=True)
    _overwrite(tmp_path, {**tensors, OUTPUT: tensors[EMBEDDING] + 1})
    with pytest.raises(CheckpointError, match=r"lm_head\.weight should be a copy.*tie_word_emb"):
        load_model(tmp_path)


def test_a_file_that_holds_only_the_copy_is_read(tmp_path: Path) -> None:
    tensors = _save(tmp_path, tied=True)
    table = tensors.pop(EMBEDDING)
    _overwrite(tmp_path, {**tensors, OUTPUT: table})
    model = load_model(tmp_path).model
    assert torch.equal(model.state_dict()["decoder.embedding.tokens.weight"], table)
    with pytest.raises(CheckpointError, match=r"embed_tokens\.weight is missing"):
        load_model(tmp_path, heads=["classification"])


def test_another_task_leaves_an_untied_output_behind(tmp_path: Path) -> None:
    _save(tmp_path, tied=False)
    checkpoint = load_model(tmp_path, heads=["classification"], labels=["no", "yes"])
    assert checkpoint.fresh == ("heads.classification.output.weight",)
    assert checkpoint.dropped == (OUTPUT,)


def test_untied_matrices_are_two(tmp_path: Path) -> None:
    tensors = _save(tmp_path, tied=False)
    state = load_model(tmp_path).model.state_dict()
    assert torch.equal(state["decoder.embedding.tokens.weight"], tensors[EMBEDDING])
    assert torch.equal(state["heads.language.output.weight"], tensors[OUTPUT])
    assert not torch.equal(tensors[EMBEDDING], tensors[OUTPUT])


def test_marian_whose_shared_vectors_differ_is_refused(tmp_path: Path) -> None:
    config = transformers.MarianConfig(
        vocab_size=31,
        d_model=12,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=17,
        decoder_ffn_dim=17,
        pad_token_id=30,
        decoder_start_token_id=30,
    )
    transformers.MarianMTModel(config).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    theirs = tensors["model.shared.weight"]
    _overwrite(tmp_path, {**tensors, "model.decoder.embed_tokens.weight": theirs + 1})
    with pytest.raises(CheckpointError, match=r"model\.decoder\.embed_tokens\.weight should be"):
        load_model(tmp_path)
