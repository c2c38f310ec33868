"""The sandbox holds what it says: time, memory, files, processes, network, environment."""

import os
import time
from pathlib import Path

import pytest

from mason.evaluation import sandbox
from mason.evaluation.sandbox import Limits, passes, run_python


def test_a_program_passes_with_its_tests_and_fails_with_wrong_ones() -> None:
    program = "def twice(n):\n    return 2 * n"
    assert passes(program, "assert twice(4) == 8")
    assert not passes(program, "assert twice(4) == 9")
    assert not passes("def twice(n: return", "pass")
    told = run_python("raise ValueError('because')")
    assert run_python("import sys; sys.exit(0)").passed  # alone, it may end where it likes
    assert not told.passed and not told.timed_out and "because" in told.output


@pytest.mark.parametrize("way", ["import sys; sys.exit(0)", "import os; os._exit(0)", "exit_(0)"])
def test_a_program_that_leaves_before_its_tests_has_not_passed_them(way: str) -> None:
    program = f"from sys import exit as exit_\ndef twice(n):\n    return 2 * n\n\n{way}"
    assert not passes(program, "assert twice(4) == 8")
    guarded = "def twice(n):\n    return 2 * n\nif __name__ == '__main__':\n    raise SystemExit(1)"
    assert passes(guarded, "assert twice(4) == 8") and not passes(guarded, "assert False")


def test_time_ends_it_and_everything_it_started() -> None:
    start = time.monotonic()
    told = run_python("import time; time.sleep(60)", Limits(seconds=0.7))
    assert told.timed_out and not told.passed and time.monotonic() - start < 5
    busy = run_python("while True: pass", Limits(cpu_seconds=1, seconds=20))
    assert not busy.passed and time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("program", "word"),
    [
        ("x = bytearray(4 << 30)", "MemoryError"),
        ("import os\nos.fork()", "not allowed"),
        ("import subprocess\nsubprocess.run(['true'])", "not allowed"),
        ("import os\nos.system('true')", "not allowed"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "not allowed"),
        ("open('/tmp/mason-was-here', 'w')", "not allowed"),
        ("import os\nos.remove('/etc/hostname')", "not allowed"),
        ("import ctypes\nctypes.CDLL(None)", "not allowed"),
        ("import mason", "ModuleNotFoundError"),
    ],
)
def test_what_it_may_not_do_is_an_error(program: str, word: str) -> None:
    told = run_python(program)
    assert not told.passed and word in told.output, told
    assert not Path("/tmp/mason-was-here").exists()


def test_its_folder_is_its_own_and_its_environment_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "1")
    told = run_python(
        "import os\nopen('file', 'w').write('x')\nos.remove('file')\n"
        "assert 'SECRET_OF_MINE' not in os.environ\nprint(os.getcwd())"
    )
    assert told.passed, told
    assert not os.path.exists(told.output.strip())


def test_output_is_bounded() -> None:
    told = run_python("for i in range(10 ** 7): print('x' * 100)")
    assert not told.passed and len(told.output) <= 2000
    assert run_python("print('y' * 5000)").output.strip() == "y" * 1999


def test_it_works_where_nothing_can_be_unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_apart", lambda: ())
    assert passes("x = 1", "assert x == 1")
    assert "not allowed" in run_python("import socket\nsocket.socket()").output
