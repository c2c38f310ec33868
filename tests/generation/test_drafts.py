"""Guessing ahead changes the steps, never the answers."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.parity_oracle import Pair
from mason.generation import Decoding, Sampling, generate
from mason.generation.drafts import PromptLookup
from tests.generation.oracle import tokens_of

PairOf = Callable[[str], Pair]
NAMES = ("LlamaForCausalLM (tied)", "Gemma2ForCausalLM (tied)", "T5ForConditionalGeneration (tied)")
PROMPTS = [[5, 17, 23] * 3, [11], [7, 29, 31, 37] * 2, [13, 19]]
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"repetition_penalty": 1.2, "frequency_penalty": 0.3},
    {"temperature": 0.7, "seed": 5, "num_return": 2},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_answers_stay_the_same(pair_of: PairOf, name: str, settings: dict[str, Any]) -> None:
    ours = pair_of(name).ours
    end = generate(ours, PROMPTS[:1], Sampling(13, stop_tokens=()))[0].tokens[-1]
    plain = generate(ours, PROMPTS, Sampling(23, stop_tokens=(end,), **settings))
    sampling = Sampling(23, stop_tokens=(end,), num_drafts=4, **settings)
    other = pair_of(NAMES[0] if name != NAMES[0] else "LlamaForCausalLM (biases)").ours
    for draft in (None, ours, other):
        if draft is not None and (draft.encoder is None) != (ours.encoder is None):
            continue
        found = generate(ours, PROMPTS, sampling, draft=draft)
        assert tokens_of(found) == tokens_of(plain)
        for mine, old in zip(found, plain, strict=True):
            assert mine.score == pytest.approx(old.score, abs=1e-3)


def test_right_guesses_save_steps(pair_of: PairOf, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = pair_of(NAMES[0]).ours
    steps, read = 0, Decoding.read

    def counted(self: Decoding, *args: Any, **kwargs: Any) -> Any:
        nonlocal steps
        steps += 1
        return read(self, *args, **kwargs)

    monkeypatch.setattr("mason.generation.decoding.Decoding.read", counted)
    plain = Sampling(21, stop_tokens=())
    generate(ours, PROMPTS[:1], plain)
    assert steps == 21
    steps = 0
    found = generate(ours, PROMPTS[:1], Sampling(21, stop_tokens=(), num_drafts=4), draft=ours)
    # A prefill of each, then four rounds of four guesses and one check give five tokens each.
    assert len(found[0].tokens) == 21 and steps == 2 + 4 * (4 + 1)
    steps = 0
    generate(ours, PROMPTS[:1], Sampling(21, stop_tokens=(), num_drafts=4))
    assert steps < 21, "what was said before is found again"


def test_what_followed_before_is_guessed() -> None:
    lookup = PromptLookup([[1, 2, 3, 4, 5], []])
    assert lookup.propose([[9, 2, 3], [7, 8, 7, 6, 7]], 2) == [[4, 5], [6, 7]]
    lookup.keep([1])
    assert lookup.propose([[7, 8]], 3) == [[]]
