"""The loss of chosen turns beside transformers' with labels of -100."""

from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mason.metrics.tokens import ratio_estimate
from mason.models.checkpoints import load_model
from mason.tasks.dialogue import Conversations, Dialogue

TALKS = Conversations(
    tokens=[[5, 6, 7, 8, 9], [10, 11, 12], [13, 14, 15, 16, 17, 18, 19]],
    learned=[[0, 0, 1, 1, 0], [0, 1, 1], [0, 0, 1, 0, 0, 1, 1]],
    last=[2, 1, 5],
    whole=[5, 3, 7],
)


def test_losses_gradients_and_hits_are_those_of_transformers(tmp_path: Path) -> None:
    torch.manual_seed(3)
    sizes = {"vocab_size": 31, "n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 32}
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    theirs = GPT2LMHeadModel(GPT2Config(**sizes, **rates, bos_token_id=1, eos_token_id=2))
    theirs.transformer.wte.weight.data.mul_(10)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path, heads=("language",)).model
    wanted, right = [], []
    for ids, mask in zip(TALKS.tokens, TALKS.learned, strict=True):
        labels = torch.tensor([[i if m else -100 for i, m in zip(ids, mask, strict=True)]])
        told = theirs(torch.tensor([list(ids)]), labels=labels)
        wanted.append(told.loss * sum(mask))
        guesses = told.logits[0, :-1].argmax(1)
        right.append(int((guesses == labels[0, 1:]).sum()))
    learned = Dialogue(TALKS)
    assert learned.count(range(3)) == TALKS.num_learned == 7
    loss = learned.loss(ours, [0, 1, 2])
    assert torch.allclose(loss, torch.stack(wanted).sum(), rtol=1e-5)
    loss.backward()
    torch.stack(wanted).sum().backward()
    mine = dict(ours.named_parameters())["decoder.embedding.tokens.weight"].grad
    assert mine is not None and theirs.transformer.wte.weight.grad is not None
    assert torch.allclose(mine, theirs.transformer.wte.weight.grad, atol=1e-5)
    told = learned.tell(ours, budget=8)
    assert np.allclose(told.losses, [w.item() for w in wanted], rtol=1e-5)
    assert told.right.tolist() == right and told.counts.tolist() == [2, 2, 3]


def test_a_cut_conversation_keeps_a_target() -> None:
    cut = TALKS.cut(3)
    assert cut.lengths == [3, 3, 3] and all(mask[-1] for mask in cut.learned)
    assert cut.last == [2, 1, 2]


def test_a_mean_over_tokens_has_an_interval_over_texts() -> None:
    counts = np.array([1, 10, 100, 1000] * 25)
    found = ratio_estimate(2.0 * counts, counts)
    assert found.value == 2.0 and found.low == found.high == 2.0
    sums = np.where(np.arange(100) % 2, 3.0, 1.0) * counts
    spread = ratio_estimate(sums, counts)
    assert spread.low < spread.value < spread.high
    assert spread.value == sums.sum() / counts.sum()
