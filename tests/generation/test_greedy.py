"""Greedy generation beside transformers' own, and one prompt beside many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from mason.errors import DataError
from mason.generation import generate_greedily
from mason.models.checkpoints import load_model
from mason.models.transformer import Transformer

PROMPTS = [[5, 17, 23], [11], [7, 29, 31, 37, 41, 43, 47], [13, 19]]
SIZES: dict[str, Any] = {"vocab_size": 61, "pad_token_id": 0, "eos_token_id": 2}
LLAMA = {**SIZES, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
GPT2 = {**SIZES, "n_embd": 26, "n_layer": 2, "n_head": 2, "n_positions": 31, "bos_token_id": 1}
T5 = {**SIZES, "d_model": 23, "d_kv": 7, "d_ff": 37, "num_layers": 2, "num_heads": 3}
MODELS = {
    "LlamaForCausalLM": {**LLAMA, "intermediate_size": 37},
    "GPT2LMHeadModel": GPT2,
    "T5ForConditionalGeneration": {**T5, "decoder_start_token_id": 3},
}

Pair = tuple[Transformer, Any]


@pytest.fixture(scope="module")
def pair_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    torch.set_num_threads(1)

    def make(name: str) -> Pair:
        torch.manual_seed(3)
        kind = getattr(transformers, name)
        theirs = kind(kind.config_class(**MODELS[name])).eval()
        for parameter in theirs.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
        folder: Path = tmp_path_factory.mktemp(name)
        theirs.save_pretrained(folder)
        return load_model(folder).model, theirs

    return make


@pytest.mark.parametrize("name", MODELS)
def test_tokens_are_those_of_transformers(pair_of: Callable[[str], Pair], name: str) -> None:
    ours, theirs = pair_of(name)
    # One of their own tokens as the end, so that some prompts stop early and others do not.
    free = generate_greedily(ours, PROMPTS, max_new_tokens=11, stop=())
    end = free[0][2]
    expected = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        out = theirs.generate(
            ids, max_new_tokens=11, do_sample=False, num_beams=1, eos_token_id=end
        )
        expected.append(out[0, 1 if ours.encoder else len(prompt) :].tolist())
    found = generate_greedily(ours, PROMPTS, max_new_tokens=11, stop={end})
    assert found == expected
    assert len(found[0]) < 11
    assert len({len(new) for new in found}) > 1


@pytest.mark.parametrize("name", MODELS)
def test_a_prompt_gives_the_same_alone(pair_of: Callable[[str], Pair], name: str) -> None:
    ours, _ = pair_of(name)
    end = generate_greedily(ours, PROMPTS, max_new_tokens=11, stop=())[1][1]
    alone = [generate_greedily(ours, [p], max_new_tokens=11, stop={end})[0] for p in PROMPTS]
    assert generate_greedily(ours, PROMPTS, max_new_tokens=11, stop={end}) == alone


def test_the_model_says_where_to_stop(pair_of: Callable[[str], Pair]) -> None:
    ours, _ = pair_of("LlamaForCausalLM")
    with torch.no_grad():
        ours.heads["language"].output.weight[2] += 100 * torch.randn(24)
    for new in generate_greedily(ours, PROMPTS * 5, max_new_tokens=5):
        assert 2 not in new[:-1]
        assert new[-1] == 2 or len(new) == 5


def test_an_empty_prompt_is_refused(pair_of: Callable[[str], Pair]) -> None:
    with pytest.raises(DataError, match="Prompt 2 is empty"):
        generate_greedily(pair_of("LlamaForCausalLM")[0], [[5], []], max_new_tokens=3)


def test_too_few_positions_are_refused_before_the_first_token(
    pair_of: Callable[[str], Pair],
) -> None:
    ours, _ = pair_of("GPT2LMHeadModel")
    assert len(generate_greedily(ours, PROMPTS, max_new_tokens=24, stop=())[2]) == 24
    with pytest.raises(DataError, match="Prompt 3 has 7 tokens and needs 32 positions"):
        generate_greedily(ours, PROMPTS, max_new_tokens=25)
