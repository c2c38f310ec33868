"""The examples run as they stand, offline."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_the_mission_runs_line_for_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForSequenceClassification

    monkeypatch.setenv("MASON_HUB_WEIGHTS", "all-MiniLM-L6-v2")
    seen = runpy.run_path(str(EXAMPLES / "mission.py"), run_name="mission")
    model, losses = seen["model"], seen["losses"]
    assert sum(losses[-3:]) < sum(losses[:3])

    batch = next(iter(seen["train_dataloader"]))
    outputs = model(batch["input_ids"], attention_mask=batch["attention_mask"])
    seen["criterion"](outputs.logits, batch["labels"]).backward()
    gradient = model.classifier.weight.grad
    assert model.classifier.out_features == 3 and gradient is not None and gradient.abs().sum() > 0

    model.save_pretrained(tmp_path / "saved")
    peer = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    model.eval()
    with torch.no_grad():
        ours = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        theirs = peer(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_its_lines_are_the_missions() -> None:
    lines = {line.strip() for line in (EXAMPLES / "mission.py").read_text().splitlines()}
    for line in (
        "model.classifier = nn.Linear(model.config.hidden_size, num_classes)",
        "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)",
        "criterion = nn.CrossEntropyLoss()",
        "for epoch in range(num_epochs):",
        "for batch in train_dataloader:",
        "input_ids = batch['input_ids']",
        "attention_mask = batch['attention_mask']",
        "labels = batch['labels']",
        "outputs = model(input_ids, attention_mask=attention_mask)",
        "loss = criterion(outputs.logits, labels)",
        "loss.backward()",
        "optimizer.step()",
    ):
        assert line in lines


@pytest.mark.parametrize(
    "command",
    [["own_attention.py"], ["pretrain_from_parts.py"], ["pretrain_from_parts.py", "masked"]],
    ids=" ".join,
)
def test_an_example_runs_anywhere_and_its_loss_falls(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / command[0], *command[1:]],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(number) for number in re.findall(r"\d\.\d\d", done.stdout)]
    assert len(losses) >= 2 and losses[-1] < 0.7 * losses[0], done.stdout
