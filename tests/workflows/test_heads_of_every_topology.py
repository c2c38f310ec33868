"""Tags and answers from decoders and encoder-decoders: trained, saved, opened by transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import mason
from mason.errors import CheckpointError
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.tasks.classification import head_logits
from mason.tasks.tagging import align
from mason.workflows import Answerer, Tagger
from tests.contracts.tiny import write_model
from tests.text.tiny import tiny

from .test_tagging_and_answering import write_questions, write_sentences

SHORT: dict[str, Any] = {"training.max_steps": 4, "training.threads": 1}
GPT2 = {"n_embd": 26, "n_layer": 2, "n_head": 2, "n_positions": 64, "eos_token_id": 3}
LLAMA = {"hidden_size": 28, "num_hidden_layers": 2, "num_attention_heads": 2}
LLAMA |= {"intermediate_size": 37, "max_position_embeddings": 64, "eos_token_id": 3}
T5 = {"d_model": 23, "d_kv": 7, "d_ff": 37, "num_layers": 2, "num_heads": 3, "eos_token_id": 3}
BART = {"d_model": 26, "encoder_layers": 2, "decoder_layers": 2, "eos_token_id": 3}
BART |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 37}
BART |= {"encoder_ffn_dim": 37, "max_position_embeddings": 64, "decoder_start_token_id": 3}
BASES = {
    "GPT2LMHeadModel": GPT2,
    "LlamaForCausalLM": LLAMA,
    "T5ForConditionalGeneration": T5,
    "BartForConditionalGeneration": BART,
}


@pytest.fixture
def base(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with a random model of transformers and a tokenizer."""

    def made(name: str) -> Path:
        folder = write_model(tmp_path / name)
        size = len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
        kind: Any = getattr(transformers, name)
        torch.manual_seed(3)
        special = {"vocab_size": size, "pad_token_id": 0, "bos_token_id": 2}
        kind(kind.config_class(**BASES[name], **special)).save_pretrained(folder)
        return folder

    return made


@torch.no_grad()
def _far_from_theirs(folder: Path, kind: str, head: str) -> float:
    """Distance of our logits from those of transformers, which opens the folder without a word."""
    theirs: Any = getattr(transformers, kind)
    network, told = theirs.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    ids = torch.randint(5, 40, (17,), generator=torch.Generator().manual_seed(0))
    out = network.eval()(input_ids=ids[None])
    other = out.logits[0] if head == "tagging" else torch.stack([out[0][0], out[1][0]], -1)
    ours = load_model(folder).model.eval()
    return float((head_logits(ours, head, Packed.of([ids.tolist()])) - other).abs().max())


TAGGERS = {
    "GPT2LMHeadModel": "GPT2ForTokenClassification",
    "LlamaForCausalLM": "LlamaForTokenClassification",
    "T5ForConditionalGeneration": "T5ForTokenClassification",
}


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger(name: str, base: Callable[[str], Path], tmp_path: Path) -> None:
    data, out = write_sentences(tmp_path / "words.conll"), tmp_path / "out"
    run = mason.train(base(name), data, task="tagging", output=out, **SHORT)
    assert _far_from_theirs(out, TAGGERS[name], "tagging") <= 1e-5
    again = mason.load(out)
    assert isinstance(again, Tagger)
    assert again.predict("the radio a fine gift") == run.model.predict("the radio a fine gift")


ANSWERERS = {
    "GPT2LMHeadModel": "GPT2ForQuestionAnswering",
    "LlamaForCausalLM": "LlamaForQuestionAnswering",
    "T5ForConditionalGeneration": "T5ForQuestionAnswering",
    "BartForConditionalGeneration": "BartForQuestionAnswering",
}


@pytest.mark.parametrize("name", ANSWERERS)
def test_an_answerer(name: str, base: Callable[[str], Path], tmp_path: Path) -> None:
    data, out = write_questions(tmp_path / "questions.jsonl"), tmp_path / "out"
    run = mason.train(base(name), data, task="answering", output=out, **SHORT)
    assert _far_from_theirs(out, ANSWERERS[name], "answering") <= 1e-5
    again = mason.load(out)
    assert isinstance(again, Answerer)
    asked = ("like a ?", "1 the lamp lasts for years . it works like a phone")
    assert again.predict(*asked) == run.model.predict(*asked)


def test_a_family_without_the_class_is_refused(base: Callable[[str], Path], tmp_path: Path) -> None:
    data = write_sentences(tmp_path / "words.conll")
    with pytest.raises(CheckpointError, match="bart has no head for tagging"):
        mason.train(base("BartForConditionalGeneration"), data, task="tagging", **SHORT)


def test_a_decoder_tags_a_word_at_its_last_piece() -> None:
    tokenizer = tiny("wordpiece")
    words = [["the", "catsoften", "cat", "didn't"]]
    first, last = align(words, tokenizer)[0], align(words, tokenizer, last=True)[0]
    assert last.rows[:2] == [first.rows[0], first.rows[2] - 1]
    assert last.rows[3] == len(last.pieces) - 1 and last.own == first.own
