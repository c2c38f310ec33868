"""Every knob beside transformers' processors, and draws beside the probabilities they give."""

from typing import Any

import pytest
import torch
from transformers.generation import logits_process as their

from mason.generation import Sampling
from mason.generation.choosing import Context, adjusted, choose, log_probabilities, warped

TEXT = [3, 5, 5, 7, 11, 5]
KNOBS: tuple[dict[str, Any], ...] = (
    {"temperature": 0.7},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_k": 500},
    {"temperature": 1.3, "top_p": 0.8},
    {"temperature": 1.0, "top_p": 1e-6},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 0.6, "top_k": 17, "top_p": 0.9, "min_p": 0.05},
)


def _scores() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randn(4, 61) * 2


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_cut_off_as_transformers_does(knobs: dict[str, Any]) -> None:
    sampling, scores = Sampling(**knobs), _scores()
    expected = their.TemperatureLogitsWarper(sampling.temperature)(None, scores)
    if sampling.top_k:
        expected = their.TopKLogitsWarper(sampling.top_k)(None, expected)
    if sampling.top_p < 1:
        expected = their.TopPLogitsWarper(sampling.top_p)(None, expected)
    if sampling.min_p:
        expected = their.MinPLogitsWarper(sampling.min_p)(None, expected)
    assert torch.equal(warped(scores, sampling), expected)


def test_penalties_and_bias() -> None:
    scores, sampling = _scores(), Sampling(repetition_penalty=1.4, logit_bias={5: 2.0, 60: -3.0})
    biased = their.SequenceBiasLogitsProcessor([[[5], 2.0], [[60], -3.0]])
    ids = torch.tensor([TEXT] * 4)
    expected = their.RepetitionPenaltyLogitsProcessor(1.4)(ids, biased(ids, scores.clone()))
    found = adjusted(scores, [Context(TEXT, 2)] * 4, sampling)
    assert torch.allclose(found, expected)
    assert torch.equal(scores, _scores()), "what was given is left as it is"


def test_frequency_counts_new_tokens_alone() -> None:
    """The formula of the paper's API: a logit loses the penalty times the count."""
    scores = _scores()
    found = adjusted(scores, [Context(TEXT, 2)] * 4, Sampling(frequency_penalty=0.5))
    expected = scores.clone()
    expected[:, 5] -= 2 * 0.5
    expected[:, [7, 11]] -= 0.5
    assert torch.allclose(found, expected)


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_draws_have_the_probabilities_asked_for(knobs: dict[str, Any]) -> None:
    """Evenly spread numbers give each token as often as its probability says, to one."""
    sampling, row, num = Sampling(**knobs), _scores()[:1], 20_000
    numbers = [(i + 0.5) / num for i in range(num)]
    drawn = choose(row.expand(num, -1), None, numbers, sampling)
    counts = torch.bincount(drawn, minlength=61).double()
    expected = warped(row, sampling)[0].double().softmax(-1) * num
    assert (counts - expected).abs().max() <= 1.01
    assert counts[expected == 0].sum() == 0


def test_the_ends_of_the_numbers_draw_tokens_that_may_be_drawn() -> None:
    scores = torch.tensor([[-torch.inf, 0.0, 1.0, -torch.inf]])
    for number in (0.0, 1 - 2**-53):
        assert choose(scores, None, [number], Sampling(temperature=1.0)).item() in (1, 2)


def test_log_probabilities() -> None:
    scores, tokens = _scores(), torch.tensor([1, 60, 7, 0])
    expected = scores.log_softmax(-1)[range(4), tokens]
    assert torch.allclose(log_probabilities(scores, tokens), expected, atol=1e-6)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-40, 1e-6])
@pytest.mark.parametrize("bias", [0.0, 1e38])
def test_no_temperature_and_no_bias_draws_what_is_not_there(
    temperature: float, bias: float
) -> None:
    """Once divided by such a temperature, everything would be infinite, and nothing a choice."""
    sampling = Sampling(temperature=temperature, logit_bias={3: bias} if bias else {})
    scores = torch.linspace(-20, 30, 7).repeat(2, 1)
    for number in (0.0, 0.5, 1 - 1e-9):
        assert choose(scores, None, [number] * 2, sampling).tolist() == [3 if bias else 6] * 2
