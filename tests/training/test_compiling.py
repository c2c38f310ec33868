"""Compiled blocks compute what plain ones do, and leave the model as it was."""

import json
import shutil
import subprocess
import sys

import pytest

from mason.errors import SettingsError
from mason.training.compiling import compiled
from tests.training.small import build


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
@pytest.mark.chaos  # a minute of compiling for what is off by default
def test_a_compiled_run_learns_the_same() -> None:
    command = [sys.executable, "-m", "tests.training.compiled_run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(set(told["plain"])) == 4
    assert told["compiled"] == pytest.approx(told["plain"], rel=1e-5)
    assert told["dropped"] == [True, False]


def test_without_a_compiler_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    wanted = r"training\.compile needs g\+\+"
    with pytest.raises(SettingsError, match=wanted), compiled(build("encoder"), True):
        pass
