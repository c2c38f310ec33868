"""Held-out passages: read by a budget of tokens, each once, up to as many as asked for."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mason.evaluation.language import held_scores


class Counted:
    """An objective whose loss is the number of the passage; it remembers what was read."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.runs = lengths, list[list[int]]()

    def count(self, run: Sequence[int]) -> int:
        return len(run)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        self.runs.append(list(run))
        return torch.tensor(float(sum(run)))


@pytest.mark.parametrize("length", [64, 512, 9_001])
def test_passages_are_read_by_tokens(length: int) -> None:
    num = 200
    held = Counted([length] * num)
    found = held_scores(nn.Identity(), held, most=None)
    assert found == {"valid_loss": (num - 1) / 2}
    assert [i for run in held.runs for i in run] == list(range(num))
    assert max(map(len, held.runs)) == max(1, 8192 // length)


def test_no_more_is_read_than_asked_for() -> None:
    held = Counted([1000] * 120)
    held_scores(nn.Identity(), held, most=20_000)
    assert 20 <= sum(map(len, held.runs)) < 30
