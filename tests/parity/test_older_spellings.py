"""Configs as older releases of transformers wrote them, read by it and by Mason alike."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from benchmarks.parity_cases import CASES, Case
from benchmarks.parity_oracle import Pair
from mason.errors import CheckpointError
from mason.models.checkpoints import load_model

NAMED = {case.name: case for case in CASES}
MODERNBERT = {
    "global_attn_every_n_layers": 2,
    "global_rope_theta": 20011.0,
    "local_rope_theta": 503.0,
    "layer_norm_eps": 1e-5,
    "position_embedding_type": "absolute",
    "reference_compile": None,
}
YARN = {"type": "yarn", "factor": 3.0, "original_max_position_embeddings": 7}
OLDER: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "ModernBERT before 5.0": (
        "ModernBertForMaskedLM",
        ("layer_types", "rope_parameters"),
        MODERNBERT,
    ),
    "ModernBERT, defaults": ("ModernBertForMaskedLM", ("layer_types", "rope_parameters"), {}),
    "Llama before 5.0": ("LlamaForCausalLM (tied)", ("rope_parameters",), {"rope_theta": 1009.0}),
    "Llama, yarn": (
        "LlamaForCausalLM (tied)",
        ("rope_parameters",),
        {"rope_theta": 1009.0, "rope_scaling": YARN, "max_position_embeddings": 7},
    ),
    "BERT of 2019": (
        "BertForMaskedLM",
        ("hidden_act", "layer_norm_eps", "type_vocab_size", "pad_token_id"),
        {"gradient_checkpointing": False, "output_past": True},
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_config_is_read_alike(name: str, tmp_path: Path) -> None:
    row, dropped, added = OLDER[name]
    case = NAMED[row]
    Pair.random(case, tmp_path)
    config = json.loads((tmp_path / "theirs" / "config.json").read_text())
    older = {key: value for key, value in config.items() if key not in dropped} | added
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(older))
    kind: Any = getattr(transformers, case.model)
    theirs = kind.from_pretrained(tmp_path / "theirs", attn_implementation="eager")
    pair = Pair(Case(case.model, case.config, case.heads), theirs, tmp_path / "theirs", tmp_path)
    assert pair.logits() <= 1e-5
    worst, said = pair.round_trip()
    assert (worst <= 1e-6, said) == (True, {})


def test_both_spellings_at_odds_are_refused(tmp_path: Path) -> None:
    Pair.random(NAMED["ModernBertForMaskedLM"], tmp_path)
    file = tmp_path / "theirs" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"layer_norm_eps": 1e-3}))
    with pytest.raises(CheckpointError, match=r"layer_norm_eps is 0\.001 but norm_eps is 1e-05"):
        load_model(tmp_path / "theirs")


def test_what_is_written_has_the_older_spelling_of_rotary_too(tmp_path: Path) -> None:
    pair = Pair.random(NAMED["ModernBertForMaskedLM"], tmp_path)
    pair.round_trip()
    written = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert (written["global_rope_theta"], written["local_rope_theta"]) == (160000.0, 10000.0)
    assert written["rope_parameters"]["full_attention"]["rope_theta"] == 160000.0
