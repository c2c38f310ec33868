"""The worked example of docs/families.md is a family that passes as it stands there."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import parity_cases
from benchmarks.parity_oracle import Pair
from mason.models import families
from mason.models.checkpoints import spec_of
from tests.contracts.pages import blocks_of
from tests.contracts.source_tree import ROOT


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    blocks = [b.text for b in blocks_of(ROOT / "docs" / "families.md") if b.kind == "python"]
    table, cases = blocks
    named = "from benchmarks.parity_cases import CLASSIFICATION, LANGUAGE, LLAMA, Case\n"
    file = tmp_path_factory.mktemp("example") / "starcoder2.py"
    file.write_text(f"{table}\nFAMILY = STARCODER2\n\n{named}\n{cases}", encoding="utf-8")
    found = importlib.util.spec_from_file_location("starcoder2", file)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_example_passes(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(families.FAMILIES, "starcoder2", example.FAMILY)
    assert {case.model for case in example.CASES} == set(example.FAMILY.architectures)
    for number, case in enumerate(example.CASES):
        assert isinstance(case, parity_cases.Case)
        pair = Pair.random(case, tmp_path / str(number))
        distances = [pair.hidden(), pair.logits(), pair.padded(), pair.round_trip()[0]]
        if "language" in case.heads:
            distances.append(pair.cached())
        assert max(distances) <= 1e-5, case.name
        assert (pair.checkpoint.fresh, pair.checkpoint.dropped) == ((), ())


def test_its_defaults_are_those_of_transformers(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.setitem(families.FAMILIES, "starcoder2", example.FAMILY)
    named = {"model_type": "starcoder2", "architectures": ["Starcoder2ForCausalLM"]}
    theirs = spec_of(transformers.Starcoder2Config().to_dict() | named)
    assert replace(theirs, labels=()) == spec_of(named)


def test_the_example_is_short(example: ModuleType) -> None:
    table = next(b.text for b in blocks_of(ROOT / "docs" / "families.md") if b.kind == "python")
    assert sum(1 for line in table.splitlines() if line.strip(" )}],")) <= 50
