"""Configs of strangers: every number may be of another kind, or ask for a world of memory."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.fuzz_parsers import CONFIGS
from mason.errors import MasonError
from mason.models.checkpoints import load_model, spec_of

ODD: tuple[Any, ...] = (0, -1, 3, 2.5, "8", "", True, [], {}, 10**6, 10**9, 2**62, 1e308, "é" * 999)
KEYS = [(i, key) for i, config in enumerate(CONFIGS) for key in config if key != "model_type"]


@pytest.mark.parametrize(("place", "key"), KEYS)
def test_an_odd_number_is_refused_before_there_is_room_for_it(
    place: int, key: str, tmp_path: Path
) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "model.safetensors")
    for odd in ODD:
        (tmp_path / "config.json").write_text(json.dumps(CONFIGS[place] | {key: odd}))
        start = time.process_time()
        with pytest.raises(MasonError) as caught:
            load_model(tmp_path)
        assert time.process_time() - start < 2, odd
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["id2label", "num_labels", "architectures", "model_type"])
def test_odd_names_are_refused(key: str, tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "model.safetensors")
    for odd in (*ODD, 10**12, [[]], {"a": "b"}, {"0": 7}, None):
        (tmp_path / "config.json").write_text(json.dumps(CONFIGS[0] | {key: odd}))
        with pytest.raises(MasonError):
            load_model(tmp_path)


def test_what_others_write_is_read() -> None:
    """Llama says -1 for no padding; a flag may be a number, and a whole number a fraction's."""
    config = CONFIGS[1] | {"pad_token_id": -1, "rope_theta": 10000, "tie_word_embeddings": 0}
    assert spec_of(config).special.pad == -1
