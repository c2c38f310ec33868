"""Programs that a model wrote, run apart: with limits, without a network, and never for long.

A guard against accidents, such as an endless loop or a stray deletion. Against an attacker use a
virtual machine: files of this machine can be read.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mason.errors import RunError

_CHILD = Path(__file__).with_name("confined.py")
_TOLD = 2000
"""Bytes of the output that are kept: the last ones."""


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        seconds: By the clock; then it and all it started are killed.
        cpu_seconds: Of work.
        memory: Bytes of addresses.
        file_bytes: Of each file it writes, its output among them.
    """

    seconds: float = 10.0
    cpu_seconds: int = 5
    memory: int = 1 << 30
    file_bytes: int = 1 << 20


DEFAULT = Limits()


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        passed: It ran to its end without an error.
        output: The end of what it printed, errors among it.
        timed_out: It was killed by the clock.
    """

    passed: bool
    output: str
    timed_out: bool = False


def run_python(program: str, limits: Limits = DEFAULT, *, name: str = "__main__") -> Outcome:
    """Run a program in a process group and a folder of its own, with an empty environment.

    Args:
        program: Its source.
        limits: What it may use.
        name: Its ``__name__``; by another than "__main__" it is a module being imported.

    Raises:
        RunError: This system cannot limit a process.
    """
    if sys.platform == "win32":
        raise RunError("Programs are run with limits, which Windows has not; use Linux or macOS.")
    with tempfile.TemporaryDirectory(prefix="mason-sandbox-") as place:
        file = Path(place) / "program.py"
        file.write_text(program, encoding="utf-8", errors="replace")
        inner = [place, name, limits.cpu_seconds, limits.memory, limits.file_bytes]
        command = [*_apart(), sys.executable, "-I", "-S", "-B", str(_CHILD), str(file)]
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                [*command, *map(str, inner)],
                cwd=place,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            timed_out = False
            try:
                child.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                with suppress(ProcessLookupError):  # whatever it may have left behind
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - _TOLD))
            told = output.read(_TOLD).decode("utf-8", errors="replace")
    return Outcome(child.returncode == 0 and not timed_out, told, timed_out)


def passes(program: str, tests: str) -> bool:
    """Whether a program, imported as a module, and then its tests run to their end.

    A program that leaves early, as by ``sys.exit``, has not stood them.
    """
    end = f"all tests were run: {secrets.token_hex(16)}"
    told = f"import os\nos.write(1, {end.encode()!r})"
    outcome = run_python(f"{program}\n\n{tests}\n\n{told}\n", name="tested")
    return outcome.passed and end in outcome.output


@cache
def _apart() -> tuple[str, ...]:
    """What starts a program without network, in a process space of its own; empty: nothing."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    # When the one that was started dies, so does everything in its process space.
    spaces = ("--user", "--map-root-user", "--net", "--ipc", "--pid")
    command = (unshare, *spaces, "--fork", "--kill-child")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()
