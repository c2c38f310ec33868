"""The table of faulty inputs: each gets exit code 2 and one sentence."""

from pathlib import Path

import pytest

from benchmarks.faulty_inputs import cases
from mason.errors import DataError


def test_every_faulty_input_gets_one_sentence(tmp_path: Path) -> None:
    found = list(cases(tmp_path))
    assert len(found) >= 40
    assert {case.name: case.sentence for case in found if not case.fine} == {}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\nb"),  # one sentence stays one line
        ("\x1b[2Ja\x07", "\\x1b[2Ja\\x07"),  # a terminal obeys nobody's file
        ("\u202egpj.a", "\\u202egpj.a"),  # nor does it turn the sentence round
        ("\ud800", "\\ud800"),  # and it can be printed
        ("词　a\xa0b", "词　a\xa0b"),
    ],
)
def test_what_a_file_says_cannot_break_a_sentence(name: str, shown: str) -> None:
    assert str(DataError("{file} is empty.", file=name)) == f"{shown} is empty."
