"""GGUF beside transformers, which reads it too."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import mason
from mason.errors import SettingsError, TokenizerError
from mason.layers import AdapterSpec
from mason.models.adapters import attach, places_of
from mason.models.packed import Packed
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.vocabulary import trimmed
from mason.workflows import Model

TEXT = "It's 12,345 — naïve, 你好！\n\n  def f():\n\treturn <|im_end|>"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """SmolLM2's with few tokens: readers of GGUF walk through 49,152 one by one."""
    whole = load_tokenizer(find_model("SmolLM2-135M-Instruct"))
    return trimmed(whole, {*range(1000), *whole.encode_ids([TEXT])[0]})[0]


@pytest.fixture(scope="module")
def llama(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights with SmolLM2's tokenizer and chat template."""
    path = tmp_path_factory.mktemp("llama")
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.num_tokens,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=512,
        rope_theta=5000.0,
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.special.bos,
        eos_token_id=tokenizer.special.eos,
        pad_token_id=None,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save(path)
    return path


@pytest.fixture(scope="module")
def model(llama: Path) -> Model:
    return mason.load(llama, task="generation")


@pytest.mark.parametrize(
    ("precision", "most"), [("f16", 2e-3), ("q8_0", 0.05), ("q4_1", 0.5), ("q4_0", 0.5)]
)
@torch.no_grad()
def test_transformers_reads_it(model: Model, tmp_path: Path, precision: str, most: float) -> None:
    # Of random weights the likeliest token is a matter of the last digits.
    allowed = 10.0 if precision.startswith("q4") else None
    done = model.export(tmp_path / "small.gguf", precision=precision, tolerance=allowed)
    assert done.proof.holds
    folder, name = done.path.parent, done.path.name
    theirs = transformers.LlamaForCausalLM.from_pretrained(folder, gguf_file=name).eval()
    ids = model.tokenizer.encode_ids([TEXT])
    wanted = model.network.logits("language", Packed.of(ids))
    found = theirs(torch.tensor(ids)).logits[0]
    assert (found - wanted).abs().max() <= most * (wanted.max() - wanted.min())
    read = mason.load(done.path, task="generation")
    assert torch.allclose(read.network.logits("language", Packed.of(ids)), found, atol=1e-4)


def test_what_is_in_four_bits_already_is_kept(model: Model, tmp_path: Path) -> None:
    """The grid of int4: 32 inputs share a step and a lowest value."""
    rounded = model.export(tmp_path / "once.gguf", precision="q4_1", tolerance=10.0)
    again = mason.load(rounded.path, task="generation")
    twice = again.export(tmp_path / "twice.gguf", precision="q4_1")
    other = again.export(tmp_path / "other.gguf", precision="q4_0", tolerance=10.0)
    assert twice.proof.delta < 0.05 * other.proof.delta


def test_an_adapter_is_merged_first(llama: Path, tmp_path: Path) -> None:
    model = mason.load(llama, task="generation")
    attach(model.network, AdapterSpec("lora", 2), places_of(model.network, model.family)[:1])
    with pytest.raises(SettingsError, match="with mason merge"):
        model.export(tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


def test_tokenizer_template_and_modelfile_are_with_it(
    model: Model, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    done = model.export(tmp_path / "small.gguf", precision="q8_0")
    read = load_tokenizer(done.path)
    assert read.chat_template == tokenizer.chat_template and read.chat_template
    assert read.encode_ids([TEXT]) == tokenizer.encode_ids([TEXT])
    modelfile = (done.path.parent / "Modelfile").read_text(encoding="utf-8")
    assert modelfile == 'FROM ./small.gguf\nPARAMETER stop "<|im_end|>"\n'


def test_a_classifier_is_refused(classifier: Model, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="and this model of the family bert does not"):
        classifier.export(tmp_path / "shop.gguf")


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_weights_in_few_bits_are_refused(llama: Path, tmp_path: Path, weights: Any) -> None:
    held = mason.load(llama, task="generation", weights=weights)
    with pytest.raises(SettingsError, match="holds its weights in 4 or 8 bits, and GGUF"):
        held.export(tmp_path / "small.gguf")
    assert not list(tmp_path.iterdir())


def test_another_kind_of_tokenizer_is_refused(
    model: Model, classifier: Model, tmp_path: Path
) -> None:
    before, model.tokenizer = model.tokenizer, classifier.tokenizer
    try:
        with pytest.raises(TokenizerError, match=r"of another kind \(WordPiece\)"):
            model.export(tmp_path / "small.gguf")
    finally:
        model.tokenizer = before
    assert not list(tmp_path.iterdir())
