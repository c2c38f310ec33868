"""Beam search beside transformers': the same answers, the same scores."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.parity_oracle import Pair
from mason.generation import Sampling, generate
from tests.generation.conftest import PROMPTS
from tests.generation.oracle import new_tokens, theirs, tokens_of

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"length_penalty": 0.0, "early_stopping": "never"},
    {"length_penalty": 2.0, "early_stopping": "never"},
    {"length_penalty": -1.0, "early_stopping": True},
    {"length_penalty": 0.6, "repetition_penalty": 1.7},
)
NAMES = (
    "LlamaForCausalLM (tied)",
    "GPT2LMHeadModel (tied)",
    "Gemma3ForCausalLM (tied)",
    "MistralForCausalLM (tied)",
    "T5ForConditionalGeneration (tied)",
    "BartForConditionalGeneration (tied)",
    "MarianMTModel (two vocabularies)",
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_transformers(
    pair_of: Callable[[str], Pair], name: str, settings: dict[str, Any]
) -> None:
    pair = pair_of(name)
    # A token that beams reach, so that answers end at different lengths.
    end = generate(pair.ours, PROMPTS[2:3], Sampling(5, stop_tokens=()))[0].tokens[-1]
    sampling = Sampling(9, stop_tokens=(end,), num_beams=3, num_return=2, **settings)
    for prompt, best in zip(PROMPTS, generate(pair.ours, PROMPTS, sampling), strict=True):
        answers = [best, *best.others]
        out = theirs(
            pair,
            prompt,
            max_new_tokens=9,
            num_beams=3,
            num_return_sequences=2,
            eos_token_id=end,
            do_sample=False,
            **settings,
        )
        expected = [new_tokens(pair, prompt, row, end) for row in out.sequences]
        assert tokens_of(answers) == expected
        for answer, score in zip(answers, out.sequences_scores.tolist(), strict=True):
            assert answer.score == pytest.approx(score, abs=2e-4)


def test_an_answer_ends_where_it_may(pair_of: Callable[[str], Pair]) -> None:
    """The lengths differ, so that the penalty decides something."""
    ours = pair_of("GPT2LMHeadModel (tied)").ours
    end = generate(ours, PROMPTS[2:3], Sampling(5, stop_tokens=()))[0].tokens[-1]
    found = generate(ours, PROMPTS, Sampling(9, stop_tokens=(end,), num_beams=3, num_return=3))
    lengths = {len(answer.tokens) for best in found for answer in (best, *best.others)}
    assert len(lengths) > 1
    for best in found:
        for answer in (best, *best.others):
            mean = sum(answer.log_probabilities) / len(answer.tokens)
            assert answer.score == pytest.approx(mean, abs=1e-4)
