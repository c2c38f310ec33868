"""The table of faulty inputs: each gets exit code 2 and one sentence."""

from pathlib import Path

from benchmarks.faulty_inputs import cases


def test_every_faulty_input_gets_one_sentence(tmp_path: Path) -> None:
    found = list(cases(tmp_path))
    assert len(found) >= 40
    assert {case.name: case.sentence for case in found if not case.fine} == {}
