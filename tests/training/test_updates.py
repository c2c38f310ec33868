"""How far a step moves the weights: exact where all is looked at, near it where a sample is."""

import json
from pathlib import Path

import pytest
import torch

from mason.training.history import History, Pace, Step
from mason.training.log import Log
from mason.training.updates import Update


@pytest.mark.parametrize("shapes", [[(7, 11), (13,)], [(3001, 64), (257,), (512, 512)]])
def test_the_norm_of_a_change(shapes: list[tuple[int, ...]]) -> None:
    torch.manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    update = Update(weights)
    changes = [0.01 * (1 + i) * torch.randn(shape) for i, shape in enumerate(shapes)]
    before = torch.cat([w.detach().flatten().clone() for w in weights])
    with torch.no_grad():
        for weight, change in zip(weights, changes, strict=True):
            weight += change
    wanted = float(torch.cat([c.flatten() for c in changes]).norm() / before.norm())
    exact = sum(w.numel() for w in weights) < 1000
    assert update.norm() == pytest.approx(wanted, rel=1e-4 if exact else 0.02)


def test_weights_that_do_not_move() -> None:
    weights = [torch.nn.Parameter(torch.zeros(5))]
    assert Update(weights).norm() == 0.0


def test_the_log_gives_back_steps_with_and_without_it(tmp_path: Path) -> None:
    log, history = Log(tmp_path / "log.jsonl"), History(2)
    history.steps += [
        Step(1, 0.5, 2.0, 0.1, 1.0, 64, 0.1),
        Step(2, 1.0, 1.5, 0.1, 1.0, 64, 0.1, update_norm=0.004),
    ]
    log(history)
    lines = [json.loads(line) for line in log.file.read_text().splitlines()]
    assert ["update_norm" in line for line in lines] == [False, True]
    mark, again = log.settle(history.steps[-1]), History(2)
    Log(log.file).rewind(again, mark)
    assert again.steps == history.steps


def test_the_share_of_the_peak() -> None:
    assert Pace(flops_per_token=6e6, peak=3e9).share(250.0) == pytest.approx(0.5)
