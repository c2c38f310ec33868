"""Adapters' files that somebody else wrote: odd numbers, another's size, a package to fetch."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import mason
from mason.errors import CheckpointError, SourceError
from mason.models.peft import CONFIG, WEIGHTS, read_adapter
from mason.sources import base_name, find_base, find_model, packages

GOOD = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["query"]}
NAME = "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"


def _folder(place: Path, **changes: Any) -> Path:
    (place / CONFIG).write_text(json.dumps({**GOOD, **changes}))
    save_file({NAME: torch.zeros(4, 8)}, place / WEIGHTS)
    return place


def test_a_good_one_is_read(tmp_path: Path) -> None:
    given = read_adapter(_folder(tmp_path, lora_dropout=0.1))
    assert (given.spec.rank, given.spec.alpha, given.spec.dropout) == (4, 8.0, 0.1)
    assert given.base is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("r", value) for value in ("4", 0, -1, 4.0, True, [4], 10**9, 5)),
        *(("lora_alpha", value) for value in ("8", 0, -1, 1e300, {}, True)),
        *(("lora_dropout", value) for value in ("0.1", -0.1, 1, 2.5, [])),
        *(("peft_type", value) for value in ("PREFIX", None, 7, ["LORA"], {})),
        ("rank_pattern", {"query": 8}),
        ("never_heard_of", 1),
    ],
)
def test_what_it_says_is_held_against_bounds(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=CONFIG):
        read_adapter(_folder(tmp_path, **{key: value}))


@pytest.mark.parametrize("base", ["package:evil==1.0/model#sha256=" + "0" * 64, "npm:evil@1/x"])
def test_a_file_fetches_no_package(
    tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a SHA-256 of his own, who wrote it would have pip run what he likes."""
    asked: list[str] = []
    monkeypatch.setattr(packages, "find_package_file", asked.append)
    with pytest.raises(SourceError, match="fetch that model yourself"):
        mason.load(_folder(tmp_path, base_model_name_or_path=base), task="classification")
    assert not asked


@pytest.mark.parametrize("base", [None, 7, ["x"], ""])
def test_a_file_without_a_base_says_so(tmp_path: Path, base: Any) -> None:
    with pytest.raises(CheckpointError, match="which model it belongs to"):
        mason.load(_folder(tmp_path, base_model_name_or_path=base), task="classification")


def test_what_is_written_of_a_package_is_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_package_file", lambda address: tmp_path)
    assert find_base(base_name("package:mine==1.0/model")) == find_model(str(tmp_path))
    assert base_name("all-MiniLM-L6-v2") == "all-MiniLM-L6-v2"
