"""Weights that learn in few bits: what they are worth meanwhile is what is stored afterwards."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch

import mason
from mason.compression import InFewBits, Rungs, Tried, judge_drop, learning_rounded, search
from mason.compression.formats import RowsAndWeights, Weights
from mason.compression.learned_rounding import GroupRounding, RowRounding
from mason.compression.verdict import Budget
from mason.layers import Grid, Int4Linear
from mason.layers.int8 import rounded_to_int8
from mason.models import Transformer
from mason.models.eight_bits import widened
from mason.models.transformer import set_dropout
from mason.tasks.classification import ClassificationObjective, Examples
from mason.tasks.embedding import Reading, embed, predict_vectors
from mason.tasks.text_to_text import Exchanges, TextToText
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.used_rows import training_used_rows
from mason.workflows import Embedder

from .test_rounding import TEXTS as WRITTEN
from .test_rounding import model as model
from .test_search import WHOLE, _rows
from .test_shrinking import EXAMPLES, TEXTS, _model

FIRST = ("The bus was late", "Prices fell again", "My phone broke", "She plays the violin",
         "Rain is on its way", "The soup is cold", "They won the cup", "A dog ran by")  # fmt: skip
SECOND = ("and nobody knew why", "so we walked home", "as the paper says", "but it was fun",
          "and I paid for it", "while he slept")  # fmt: skip


@pytest.mark.parametrize("bits", [8, 4])
def test_what_a_row_is_worth_is_what_its_file_holds(bits: int) -> None:
    torch.manual_seed(3)
    weight = torch.randn(31, 67) * torch.rand(31, 1)
    weight[5] = 0.0
    one = RowRounding(weight, bits)
    worth = one(weight + 0.01 * torch.randn_like(weight))
    whole, scales = rounded_to_int8(worth, largest=one.largest)
    assert torch.equal(whole.float() * scales[:, None], worth)
    kept, steps = rounded_to_int8(weight, largest=one.largest)
    assert torch.equal(one(weight), kept.float() * steps[:, None]), "nothing learned: as rounded"


def test_what_a_group_is_worth_is_what_its_file_holds() -> None:
    torch.manual_seed(3)
    worth = GroupRounding()(torch.randn(31, 71))
    grid = Grid.of(worth)
    assert torch.allclose(grid.values(grid.codes(worth)), worth, atol=1e-6, rtol=0)


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    torch.manual_seed(3)
    weight, given = torch.randn(7, 67, requires_grad=True), torch.randn(7, 67)
    (GroupRounding()(weight) * given).sum().backward()
    assert torch.equal(weight.grad, given)  # type: ignore[arg-type]
    weight.grad = None
    one = RowRounding(weight, 4)
    (one(weight) * given).sum().backward()
    reach = weight.detach().abs().amax(1, keepdim=True) * one.shares[:, None]
    inside = weight.detach().abs() < reach
    assert torch.equal(weight.grad[inside], given[inside])  # type: ignore[index]


def _learned(model: Transformer, objective: object, few: dict, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    losses = []
    with learning_rounded(few):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = InFewBits(objective).loss(model, range(3))  # type: ignore[arg-type]
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def test_a_model_is_stored_as_it_learned() -> None:
    """Token vectors, positions and maps: held in 4 bits they are what they were in training."""
    model, form = _model("bert-tiny").train(), RowsAndWeights()
    used = {token for text in TEXTS for token in text}
    with training_used_rows(model, used):
        losses = _learned(
            model, ClassificationObjective(EXAMPLES), form.roundings(model, 4), steps=8
        )
    assert losses[-1] < losses[0]
    held = dict(widened(form.held(model, 4, ())).named_parameters())
    for name, one in model.named_parameters():
        if "tokens" in name:  # rows that no text uses are rounded only now
            assert torch.equal(one[sorted(used)], held[name][sorted(used)])
        else:
            assert torch.equal(one, held[name]), name


def test_a_model_that_writes_is_stored_as_it_learned(model: Transformer) -> None:
    objective = TextToText(Exchanges([t[:1] for t in WRITTEN], [t[1:] for t in WRITTEN]))
    form = Weights()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    _learned(model, objective, form.roundings(model, 4), steps=2)
    held = form.held(model, 4, WRITTEN)
    for name, module in held.named_modules():
        if isinstance(module, Int4Linear):
            kept = model.get_submodule(name).weight
            assert torch.allclose(module.widened(kept), kept, atol=1e-6, rtol=0), name  # type: ignore[arg-type, operator]
            assert not torch.equal(kept, before[f"{name}.weight"])  # type: ignore[arg-type]


def test_weights_learn_in_four_bits_where_rounding_costs_too_much() -> None:
    asked: list[Rungs] = []

    def attempt(rungs: Rungs, parent: Tried | None) -> Tried:
        asked.append(rungs)
        good = rungs.bits > 4 or rungs.aware
        verdict = judge_drop(_rows(0.95), _rows(0.95 if good else 0.9), Budget(0.01))
        size = int(rungs.layers * rungs.neurons * rungs.bits * (1 + rungs.tokens))
        return Tried(rungs, size, 1.0, 0.95 if good else 0.9, verdict)

    search(WHOLE, attempt, seconds=60)
    assert asked[5] == Rungs(6, 1536, 0.0, 4, aware=True), "trimming alone cost nothing"
    assert all(one.aware for one in asked[5:]), "shapes learn in 4 bits too"
    assert "learned in 4 bits" in asked[-1].words(WHOLE)
    assert Rungs(6, 1536, 0.0, 4, aware=True).learned != Rungs(6, 1536, 0.0, 4).learned
    left = list(Rungs(6, 1536, 1.0, 4, aware=True).left_out(WHOLE))
    assert left == [Rungs(6, 1536, 1.0, 4), Rungs(6, 1536)]
    assert all(a != b for a, b in pairwise(asked))


class _Alike:
    """Vectors shall be those of a teacher."""

    def __init__(self, texts: Examples, how: Reading, wanted: torch.Tensor) -> None:
        self.texts, self.how, self.wanted, self.lengths = texts, how, wanted, texts.lengths

    def count(self, batch: object) -> int:
        return len(batch)  # type: ignore[arg-type]

    def loss(self, model: Any, run: Sequence[int]) -> torch.Tensor:
        found = embed(model, self.texts.pack(run), self.how)
        return (found - self.wanted[list(run)]).square().sum()


def test_real_weights_that_learn_in_four_bits_lose_less_than_rounded_ones() -> None:
    """MiniLM's, in as many bits: sentences that taught nothing stay nearer to where they were."""
    model = mason.load("all-MiniLM-L6-v2", task="embedding")
    assert isinstance(model, Embedder)
    said = [f"{one} {other}." for one in FIRST for other in SECOND]
    held, learned = said[::3], [text for i, text in enumerate(said) if i % 3]
    wanted = torch.from_numpy(model.predict(held))
    texts, form = model.encode(learned), RowsAndWeights()
    objective = _Alike(texts, model.how, torch.from_numpy(model.predict(learned)))

    def far(network: Transformer) -> float:
        found = predict_vectors(form.held(network, 4, ()), model.encode(held), model.how)
        return float((torch.from_numpy(found) - wanted).square().sum(1).mean())

    rounded, network = far(model.network), copy.deepcopy(model.network)
    set_dropout(network, 0.0)
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=2e-4, warmup_share=0.1)
    used = [token for text in texts.tokens for token in text]
    with training_used_rows(network, used), learning_rounded(form.roundings(network, 4)):
        fit(network, InFewBits(objective), recipe)
    assert far(network) < 0.8 * rounded
