"""The order of the search, verdicts, and what is learned from a teacher."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mason.compression import (
    Budget,
    Distillation,
    Rungs,
    Tried,
    children,
    judge_drop,
    pareto,
    search,
)
from mason.tasks.classification import ClassificationObjective, Examples

WHOLE = Rungs(6, 1536)
HEADED = Rungs(6, 1536, heads=12)


def _rows(right: float, rows: int = 2000, flips: int = 0) -> np.ndarray:
    """Rows of which a share is right; ``flips`` of both kinds change places."""
    found = np.arange(rows) < right * rows
    edge = int(right * rows)
    found[edge - flips : edge], found[edge : edge + flips] = False, True
    return found


def test_a_drop_is_held_against_its_interval() -> None:
    before = _rows(0.95)
    assert judge_drop(before, _rows(0.95, flips=10), Budget(0.01)).accepted
    worse = judge_drop(before, _rows(0.93), Budget(0.01))
    assert not worse.accepted and not worse.hopeful and worse.p_value < 1e-6
    unsure = _rows(0.945, flips=60)
    assert judge_drop(before, unsure, Budget(0.01)).hopeful
    assert not judge_drop(before, unsure, Budget(0.01)).accepted
    assert judge_drop(before, unsure, Budget(0.01, proven=False)).accepted


def test_rows_that_are_alike_prove_less() -> None:
    before, after = _rows(0.95), _rows(0.95, flips=10)
    texts = np.arange(2000) // 20
    assert judge_drop(before, after, Budget(0.008)).accepted
    together = judge_drop(before, after, Budget(0.008), texts.tolist())
    assert together.hopeful and not together.accepted
    assert together.difference.value == 0 and "2,000 rows; about" in together.sentence


def test_steps_go_down_in_layers_neurons_and_heads() -> None:
    assert {c.shape for c in children(WHOLE, WHOLE)} == {(5, 1536, 0), (6, 1152, 0)}
    assert {c.shape for c in children(Rungs(1, 384), WHOLE)} == set()
    assert [c.shape for c in children(HEADED, HEADED)][-1] == (6, 1536, 9)
    assert {c.shape for c in children(Rungs(1, 384, heads=3), HEADED)} == set()
    fewer = Rungs(5, 1536, bits=8, heads=9)
    assert "9 of 12 heads" in fewer.words(HEADED)
    assert Rungs(5, 1536, bits=8, heads=12) in fewer.left_out(HEADED)
    assert Rungs(4, 768, 0.0, 8).words(WHOLE).count("+") == 3
    left = list(Rungs(4, 1536, 0.5, 4).left_out(WHOLE))
    assert left == [Rungs(6, 1536, 0.5, 4), Rungs(4, 1536, 1.0, 4), Rungs(4, 1536, 0.5)]


def _attempt(floor: int) -> tuple[list[Rungs], object]:
    """Combinations of fewer than ``floor`` layers lose too much; trimming always does."""
    asked: list[Rungs] = []

    def attempt(rungs: Rungs, parent: Tried | None) -> Tried:
        asked.append(rungs)
        good = rungs.layers >= floor and rungs.tokens == 1
        verdict = judge_drop(_rows(0.95), _rows(0.95 if good else 0.9), Budget(0.01))
        size = rungs.layers * rungs.neurons * rungs.bits
        return Tried(rungs, size, 1.0, 0.95 if good else 0.9, verdict)

    return asked, attempt


def test_the_search_goes_on_from_what_is_good_alone() -> None:
    asked, attempt = _attempt(5)
    tried = search(WHOLE, attempt, seconds=60)  # type: ignore[arg-type]
    assert [r.shape for r in asked[:5]] == [WHOLE.shape] * 5
    shapes = {r.shape for r in asked}
    assert (5, 384, 0) in shapes and (4, 384, 0) in shapes and not any(s[0] < 4 for s in shapes)
    assert len(asked) == len(set(asked)) and all(r.bits == 4 and r.tokens == 1 for r in asked[5:])
    inside = [t for t in tried if t.verdict.accepted]
    assert min(inside, key=lambda t: t.num_bytes).rungs.shape == (5, 384, 0)
    assert [r.sparse for r in asked] == [False] * (len(asked) - 1) + [True]
    assert asked[-1].shape == (5, 384, 0), (
        "the smallest that is inside loses two of four weights last"
    )
    front = pareto(tried)
    assert all(a.num_bytes > b.num_bytes and a.score > b.score
               for a, b in pairwise(front))  # fmt: skip


def test_the_search_ends_when_it_is_told_or_out_of_time() -> None:
    asked, attempt = _attempt(1)
    search(WHOLE, attempt, seconds=0)  # type: ignore[arg-type]
    assert len(asked) == 5
    asked, attempt = _attempt(1)
    enough = lambda tried: tried.rungs.layers == 5  # noqa: E731
    search(WHOLE, attempt, seconds=60, enough=enough)  # type: ignore[arg-type]
    assert asked[-1].layers == 5


class _Fixed(torch.nn.Module):
    """Answers with its parameters, whatever it reads."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.told = torch.nn.Parameter(logits)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_what_is_learned_is_the_teacher_and_the_labels(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    teacher, student = torch.randn(5, 3), _Fixed(torch.randn(5, 3))
    targets = [0, 1, 2, 2, 0]
    monkeypatch.setattr(
        "mason.tasks.classification.class_logits", lambda model, packed, look: model.told
    )
    learned = ClassificationObjective(Examples([[1]] * 5, None, targets))
    objective = Distillation(learned, teacher.split(1), share=share, heat=2.0)
    hard = F.cross_entropy(student.told, torch.tensor(targets), reduction="sum")
    p, q = (teacher / 2).softmax(1), (student.told / 2).softmax(1)
    soft = 4 * (p * (p.log() - q.log())).sum()
    found = objective.loss(student, range(5))
    assert found.item() == pytest.approx((share * soft + (1 - share) * hard).item(), rel=1e-5)
