"""Classification: the loss by hand, and a batch that is its texts, each alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from mason.models.spec import Topology
from mason.models.transformer import set_dropout
from mason.tasks.classification import (
    ClassificationObjective,
    Examples,
    class_logits,
    divergence,
    predict_logits,
    probe,
    smoothed_entropy,
)
from tests.models.small import TOPOLOGIES
from tests.training.small import LABELS, build, examples


class _Fixed(torch.nn.Module):
    """A model whose logits are a table's rows, in the order of the texts' first tokens."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)
        self.spec = build("encoder").spec

    def logits(
        self, head: str, packed: object, *, at: object = None, look: object = None
    ) -> torch.Tensor:
        return self.table[packed.tokens[packed.layout.first]]  # type: ignore[attr-defined]


TABLE = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0], [-2.0, 1.0, 1.0]])


def test_the_loss_is_the_summed_cross_entropy() -> None:
    objective = ClassificationObjective(Examples([[1], [0], [2, 2]], None, [2, 1, 0]))
    by_hand = [
        math.log(1 + 1 + math.exp(3)) - 3,
        math.log(math.exp(2) + math.exp(-1) + math.exp(0.5)) + 1,
        math.log(math.exp(-2) + 2 * math.exp(1)) + 2,
    ]
    assert objective.loss(_Fixed(TABLE), [0, 1, 2]).item() == pytest.approx(sum(by_hand))
    assert objective.loss(_Fixed(TABLE), [2]).item() == pytest.approx(by_hand[2])
    assert objective.count([0, 1, 2]) == 3


def test_smoothing_keeps_the_gradient_and_takes_off_the_floor() -> None:
    smoothed = Examples([[0], [1], [2]], None, [0, 2, 1])
    mine, theirs = _Fixed(TABLE.clone()), TABLE.clone().requires_grad_()
    loss = ClassificationObjective(smoothed, label_smoothing=0.3).loss(mine, [0, 1, 2])
    peer = F.cross_entropy(theirs, torch.tensor([0, 2, 1]), reduction="sum", label_smoothing=0.3)
    loss.backward()
    peer.backward()
    assert torch.allclose(mine.table.grad, theirs.grad, rtol=0, atol=1e-7)
    floor = -(0.8 * math.log(0.8) + 2 * 0.1 * math.log(0.1))
    assert smoothed_entropy(0.3, 3) == pytest.approx(floor)
    assert loss.item() == pytest.approx(peer.item() - 3 * floor, rel=1e-6)


def test_a_perfect_fit_of_smoothed_targets_has_no_loss() -> None:
    targets = torch.tensor([[0.8, 0.1, 0.1]])
    objective = ClassificationObjective(Examples([[0]], None, [0]), label_smoothing=0.3)
    assert objective.loss(_Fixed(targets.log()), [0]).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tokens_per_pass", [1, 40, 8192])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_batched_is_single_in_the_order_given(topology: Topology, tokens_per_pass: int) -> None:
    model, given = build(topology).eval(), examples(23)
    together = predict_logits(model, given, tokens_per_pass=tokens_per_pass)
    assert together.shape == (23, len(LABELS)) and together.dtype == np.float32
    for row, text in zip(together, given.tokens, strict=True):
        alone = predict_logits(model, Examples([text]))[0]
        assert np.abs(row - alone).max() <= 1e-6 * max(1, np.abs(alone).max())
    assert len({tuple(row) for row in together.round(4).tolist()}) > 10, "rows tell texts apart"


def test_segments_reach_the_model() -> None:
    model, given = build("encoder").eval(), examples(5)
    zeros = [[0] * n for n in given.lengths]
    ones = [[1] * n for n in given.lengths]
    plain = predict_logits(model, given)
    assert np.abs(plain - predict_logits(model, replace(given, token_types=zeros))).max() < 1e-6
    assert np.abs(plain - predict_logits(model, replace(given, token_types=ones))).max() > 1e-3


def test_an_encoder_decoder_reads_the_text_on_both_sides() -> None:
    """The decoder gets the text one place to the right behind its start token, here 1."""
    model, given = build("encoder-decoder").eval(), examples(4)
    packed = given.pack(range(4))
    shifted = Examples([[1, *text[:-1]] for text in given.tokens]).pack(range(4))
    with torch.no_grad():
        wanted = model.logits("classification", packed, shifted)
        assert torch.equal(class_logits(model, packed), wanted)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_probe_is_the_logistic_regression_of_scikit_learn(topology: Topology) -> None:
    model, some = build(topology).train(), examples(40)
    before = {name: p.clone() for name, p in model.named_parameters()}
    probe(model, some, rows=1000, seed=1)
    head = model.heads["classification"]
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert {n.rpartition(".")[0] for n in changed} == {"heads.classification.output"}
    assert model.training

    seen: list[torch.Tensor] = []
    head.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for i in range(len(some)):
            class_logits(model.eval(), some.pack([i]))
    has_bias = head.output.bias is not None
    fitted = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000, fit_intercept=has_bias).fit(
        torch.cat(seen).double().numpy(), some.targets
    )
    found = head.output.weight.detach().numpy()
    # Softmax leaves a common shift of all classes open.
    assert found - found.mean(0) == pytest.approx(fitted.coef_ - fitted.coef_.mean(0), abs=5e-3)


def test_divergence_is_the_mean_of_both_as_torch_has_them() -> None:
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    a, b = first.log_softmax(1), second.log_softmax(1)
    both = F.kl_div(a, b, log_target=True, reduction="sum") + F.kl_div(
        b, a, log_target=True, reduction="sum"
    )
    assert divergence(first, second).item() == pytest.approx(both.item() / 2, rel=1e-5)


def test_r_drop_is_the_mean_of_two_passes_and_their_divergence() -> None:
    given = examples()
    model = build("encoder")
    set_dropout(model, 0.3)
    model.train()
    torch.manual_seed(3)
    plain = ClassificationObjective(given)
    each = [plain.loss(model, [0, 1, 2]) for _ in range(2)]
    torch.manual_seed(3)
    passes = [class_logits(model, given.pack([0, 1, 2])) for _ in range(2)]
    torch.manual_seed(3)
    found = ClassificationObjective(given, r_drop=0.7).loss(model, [0, 1, 2])
    wanted = (each[0] + each[1]) / 2 + 0.7 * divergence(*passes)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert divergence(*passes) > 0
    model.eval()
    same = ClassificationObjective(given, r_drop=0.7).loss(model, [0, 1, 2])
    assert same.item() == pytest.approx(plain.loss(model, [0, 1, 2]).item(), rel=1e-6)
