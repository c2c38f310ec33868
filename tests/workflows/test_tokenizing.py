"""Learn a tokenizer from files and measure it beside others, as ``mason tokenizer`` does."""

from pathlib import Path

import pytest

from mason.cli import main
from tests.contracts.source_tree import ROOT


def mason(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


def test_learn_one_and_measure_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, made = str(ROOT / "README.md"), str(tmp_path / "made")
    assert mason("tokenizer", "train", "--data", data, "--output", made, "--vocab-size", "400") == 0
    assert made in capsys.readouterr().out.replace("\n", "")
    assert mason("tokenizer", "report", made, "--data", data) == 0


def test_nothing_to_measure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert mason("tokenizer", "report", "--data", str(ROOT / "README.md")) == 2
    assert "No tokenizer is named" in capsys.readouterr().err
