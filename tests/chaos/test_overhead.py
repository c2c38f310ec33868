"""What checkpoints cost at the default interval.

A run of five minutes' intervals is too long to wait for: the cost of one save of a real-sized
state is measured, and divided by the interval that the code chooses with it in mind.
"""

import shutil
import statistics
import time
from pathlib import Path

import pytest
import torch

from mason.models.files import write_weights, writing_folder
from mason.settings import OutputSettings
from tests.chaos.findings import Findings


@pytest.mark.chaos
@pytest.mark.parametrize(("name", "parameters"), [("MiniLM", 22_700_000), ("BERT-base", 110e6)])
def test_checkpoints_cost_under_three_percent(
    name: str, parameters: float, findings: Findings, tmp_path: Path
) -> None:
    """Weights and two moments of each, as a checkpoint of AdamW in fp32 holds them."""
    weights = {f"w{i}": torch.randn(int(parameters) // 50) for i in range(50)}
    moments = {f"{n}.{k}": w for n, w in weights.items() for k in ("exp_avg", "exp_avg_sq")}
    moments = {name: w.clone() for name, w in moments.items()}
    seconds = []
    for number in range(5):
        start = time.monotonic()
        with writing_folder(tmp_path / f"step-{number}", kind="checkpoint") as draft:
            write_weights(draft, weights)
            (draft / "optimizer").mkdir()
            write_weights(draft / "optimizer", moments)
        seconds.append(time.monotonic() - start)
        shutil.rmtree(tmp_path / f"step-{number}")
    interval = 60 * OutputSettings().checkpoint_minutes
    shares = [s / max(interval, s / 0.02) for s in seconds]
    findings.add(
        f"one save of {name}'s state ({12 * parameters / 1e6:,.0f} MB, checksums and fsync "
        f"included) against the default interval of {interval:.0f} s",
        len(seconds),
        f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s: "
        f"{statistics.median(shares):.2%} of wall time, worst {max(shares):.2%} (the interval "
        "grows where a save takes over 2 %)",
    )
    assert max(shares) <= 0.03
