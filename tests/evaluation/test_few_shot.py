"""In-context learning: scores equal transformers', read once or not; predictions by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from mason.evaluation.few_shot import Scored, score_choices
from mason.models.checkpoints import load_model

SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 37,
    "initializer_range": 0.2,
}
TEXTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15], [16, 17], *[[20 + i, 7] for i in range(9)]]
CHOICES = [[40], [41, 42, 43], [44, 45]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, LlamaForCausalLM]:
    torch.manual_seed(1)
    folder: Path = tmp_path_factory.mktemp("llama")
    theirs = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    theirs.save_pretrained(folder)
    return load_model(folder, heads=("language",)).model.eval(), theirs


@pytest.mark.parametrize("shown", [[], [1, 50, 51, 52, 53, 54]])
def test_scores_are_those_of_whole_sequences(
    both: tuple[torch.nn.Module, LlamaForCausalLM], shown: list[int]
) -> None:
    ours, theirs = both
    found = score_choices(ours, shown, TEXTS, CHOICES)  # type: ignore[arg-type]
    wanted = np.empty((len(TEXTS), len(CHOICES)))
    for i, text in enumerate(TEXTS):
        for j, choice in enumerate(CHOICES):
            ids = torch.tensor([[*shown, *text, *choice]])
            with torch.no_grad():
                rows = F.log_softmax(theirs(ids).logits[0, -len(choice) - 1 : -1], dim=1)
            wanted[i, j] = rows.gather(1, torch.tensor(choice)[:, None]).sum()
    assert np.abs(found - wanted).max() < 1e-4


def test_three_ways_to_choose_by_hand() -> None:
    scored = Scored(
        plain=np.log([[0.5, 0.3, 0.2]]),
        sizes=np.array([1, 4, 8]),
        blank=np.log([0.7, 0.1, 0.2]),
    )
    # By byte: -0.69, -0.30, -0.20. Over the blank: 0.71, 3.0, 1.0.
    found = {name: values.tolist() for name, values in scored.predictions().items()}
    assert found == {"plain": [0], "normalised": [2], "calibrated": [1]}
