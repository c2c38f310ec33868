"""Damaged files are read or refused: a few for each parser; ``benchmarks.fuzz`` has many."""

import pytest

from benchmarks.fuzz import run
from benchmarks.fuzz_parsers import PARSERS


@pytest.mark.parametrize("name", PARSERS)
def test_damage_is_read_or_refused(name: str) -> None:
    found = run(name, 60, bounded=False)
    assert found["uncaught"] == []
    assert found["refused"] > 10, "damage that nobody notices tests nothing"
