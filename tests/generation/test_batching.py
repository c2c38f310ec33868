"""Answers that come and go in one batch are those that each has alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.parity_oracle import Pair
from mason.errors import MasonError
from mason.generation import Batch, Sampling, generate
from mason.generation.batching import Answer, begin
from mason.sources import find_model
from mason.text import Tokenizer
from mason.text.loading import load_tokenizer
from tests.generation.conftest import DECODERS, PROMPTS

PairOf = Callable[[str], Pair]
FREE = Sampling(11, stop_tokens=())
WAYS = (
    FREE,
    replace(FREE, temperature=0.9, seed=5),
    replace(FREE, temperature=1.3, top_k=7, top_p=0.9, seed=1),
    replace(FREE, repetition_penalty=1.3, presence_penalty=0.5, max_new_tokens=3),
    replace(FREE, max_new_tokens=1),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(find_model("SmolLM2-135M-Instruct"))


def run_on(batch: Batch, waiting: list[Answer], every: int) -> None:
    """Take up an answer every few steps until all are done."""
    step = 0
    while waiting or batch.answers:
        if waiting and step % every == 0:
            batch.add(waiting.pop(0))
        if batch.answers:
            batch.step()
        step += 1


@pytest.mark.parametrize("name", DECODERS)
def test_answers_are_those_each_has_alone(pair_of: PairOf, tokenizer: Tokenizer, name: str) -> None:
    model = pair_of(name).ours
    if model.encoder is not None:
        pytest.skip("a batch that runs on is for lone decoders")
    batch = Batch(model, piece=3)
    answers = [
        begin(model, prompt, sampling, tokenizer=tokenizer, stops=(), num_likeliest=2)
        for prompt, sampling in zip(PROMPTS, WAYS, strict=True)
    ]
    run_on(batch, list(answers), every=2)
    for answer, prompt, sampling in zip(answers, PROMPTS, WAYS, strict=True):
        (alone,) = generate(model, [prompt], sampling)
        assert answer.line.new == alone.tokens
        assert answer.line.log_probabilities == pytest.approx(alone.log_probabilities, abs=1e-4)
        for token, likely, best in zip(
            answer.line.new, answer.line.log_probabilities, answer.likeliest, strict=True
        ):
            assert best[0][1] >= likely - 1e-6 and (best[0][0] == token or sampling != FREE)
    assert batch.pages.num_free == len(batch.pages), "what is done gives its blocks back"


def test_who_is_dropped_changes_nothing_for_the_others(
    pair_of: PairOf, tokenizer: Tokenizer
) -> None:
    model = pair_of("Llama").ours if "Llama" in DECODERS else pair_of(next(iter(DECODERS))).ours
    batch = Batch(model)
    kept, gone = (
        begin(model, prompt, FREE, tokenizer=tokenizer, stops=()) for prompt in PROMPTS[:2]
    )
    batch.add(gone)
    batch.add(kept)
    batch.step()
    batch.drop([gone])
    run_on(batch, [], every=1)
    assert kept.line.new == generate(model, [PROMPTS[0]], FREE)[0].tokens
    assert not gone.done and batch.pages.num_free == len(batch.pages)


def test_beams_do_not_fit(pair_of: PairOf, tokenizer: Tokenizer) -> None:
    model = pair_of(next(iter(DECODERS))).ours
    beams = Sampling(3, num_beams=2)
    with pytest.raises(MasonError, match="neither beams nor drafts"):
        begin(model, [5], beams, tokenizer=tokenizer, stops=())
