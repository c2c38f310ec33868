"""Preference losses beside their formulas on transformers' log-probabilities, and a real run."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from mason.errors import SettingsError
from mason.models.checkpoints import load_model
from mason.tasks.preference import FREE, Kind, PreferenceObjective, Preferences, reference_of
from mason.training.loop import fit
from mason.training.recipe import Recipe

PAIRS = Preferences(
    prompts=[[5, 6, 7], [8], [9, 10, 11, 12]],
    chosen=[[13, 14], [15, 16, 17], [18]],
    rejected=[[19], [20, 21], [22, 23, 24, 25]],
)
BETA, SMOOTHING, GAMMA = 0.3, 0.2, 0.7


@pytest.fixture
def both(tmp_path: Path) -> tuple[torch.nn.Module, GPT2LMHeadModel]:
    """One small model, ours and transformers', without dropout."""
    torch.manual_seed(3)
    sizes = {"vocab_size": 31, "n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 32}
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    theirs = GPT2LMHeadModel(GPT2Config(**sizes, **rates, bos_token_id=1, eos_token_id=2))
    theirs.transformer.wte.weight.data.mul_(10)  # weights large enough to tell
    theirs.save_pretrained(tmp_path)
    return load_model(tmp_path, heads=("language",)).model, theirs


def _log_probability(model: GPT2LMHeadModel, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """One answer's, read alone and whole."""
    ids = torch.tensor([prompt + answer])
    rows = F.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1], dim=1)
    return rows.gather(1, torch.tensor(answer)[:, None]).sum()


def _mean(sum: torch.Tensor, side: int, i: int) -> torch.Tensor:
    return sum / len((PAIRS.chosen, PAIRS.rejected)[side][i])


def _odds(log_probability: torch.Tensor) -> torch.Tensor:
    return torch.log(log_probability.exp() / (1 - log_probability.exp()))


def _by_formula(kind: Kind, model: GPT2LMHeadModel, before: torch.Tensor, i: int) -> torch.Tensor:
    answers = (PAIRS.chosen[i], PAIRS.rejected[i])
    now = [_log_probability(model, list(PAIRS.prompts[i]), list(a)) for a in answers]
    gain = [new - old for new, old in zip(now, before[:, i], strict=True)]
    per_token = [g / len(a) for g, a in zip(gain, answers, strict=True)]
    m = BETA * (gain[0] - gain[1])
    told = {
        "dpo": -(1 - SMOOTHING) * F.logsigmoid(m) - SMOOTHING * F.logsigmoid(-m),
        "hinge": torch.clamp(1 - m, min=0),
        "ipo": (per_token[0] - per_token[1] - 1 / (2 * BETA)) ** 2,
        "orpo": -_mean(now[0], 0, i)
        - BETA * F.logsigmoid(_odds(_mean(now[0], 0, i)) - _odds(_mean(now[1], 1, i))),
        "simpo": -F.logsigmoid(
            BETA * (now[0] / len(answers[0]) - now[1] / len(answers[1])) - GAMMA
        ),
    }
    return told[kind]


@pytest.mark.parametrize("kind", ["dpo", "ipo", "hinge", "simpo", "orpo"])
def test_losses_and_gradients_are_those_of_the_formulas(
    both: tuple[torch.nn.Module, GPT2LMHeadModel], kind: Kind
) -> None:
    ours, theirs = both
    before = reference_of(ours, PAIRS, budget=1)
    for i in range(len(PAIRS)):
        answers = (PAIRS.chosen[i], PAIRS.rejected[i])
        said = [_log_probability(theirs, list(PAIRS.prompts[i]), list(a)) for a in answers]
        assert torch.allclose(before[:, i], torch.stack(said), atol=1e-5)
    # A reference that is not the model itself, so that the margin is no zero.
    before = before + torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.5, -0.5]])
    learned = PreferenceObjective(
        PAIRS,
        None if kind in FREE else before,
        kind=kind,
        beta=BETA,
        smoothing=SMOOTHING,
        gamma=GAMMA,
    )
    loss = learned.loss(ours, range(3))
    wanted = sum(_by_formula(kind, theirs, before, i) for i in range(3))
    assert isinstance(wanted, torch.Tensor)
    assert torch.allclose(loss, wanted, rtol=1e-5)
    loss.backward()
    wanted.backward()
    mine = dict(ours.named_parameters())["decoder.embedding.tokens.weight"].grad
    assert mine is not None and theirs.transformer.wte.weight.grad is not None
    assert torch.allclose(mine, theirs.transformer.wte.weight.grad, atol=1e-5)


def test_the_better_answers_become_likelier(
    both: tuple[torch.nn.Module, GPT2LMHeadModel],
) -> None:
    ours, _ = both
    learned = PreferenceObjective(PAIRS, reference_of(ours, PAIRS))
    with torch.no_grad():
        assert learned.margins(ours, range(3)).abs().max() < 1e-5  # nothing is learned yet
    fit(ours, learned, Recipe(epochs=20, batch_size=3, learning_rate=1e-2, precision="fp32"))
    with torch.no_grad():
        assert learned.margins(ours, range(3)).min() > 1.0


def test_what_cannot_be_tuned_is_said() -> None:
    with pytest.raises(SettingsError, match="choose simpo"):
        PreferenceObjective(PAIRS)
    with pytest.raises(SettingsError, match="dpo, ipo, hinge, simpo"):
        PreferenceObjective(PAIRS, torch.zeros(2, 3), kind="kto")  # type: ignore[arg-type]
