"""The inside of the sandbox: run as a program, it takes its own rights away, then runs a file.

``python confined.py PROGRAM FOLDER NAME CPU_SECONDS MEMORY FILE_BYTES``; the standard library
alone is imported, and nothing of Mason's.
"""

import os
import resource
import runpy
import sys
from typing import Any, NoReturn

_PROCESSES = (
    "os.fork os.forkpty os.exec os.posix_spawn os.spawn os.system subprocess.Popen pty.spawn "
    "os.kill os.killpg signal.pthread_kill ctypes. socket."
).split()
_CHANGES = "os.remove os.rename os.rmdir os.mkdir os.link os.symlink os.truncate os.chmod".split()
_CHANGES += "os.chown os.utime os.setxattr os.removexattr shutil.rmtree shutil.move".split()


def limit(cpu_seconds: int, memory: int, file_bytes: int) -> None:
    """Set what the kernel enforces, in seconds and bytes; more is a signal or an error."""
    limits = {
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for name, most in limits.items():
        _, hard = resource.getrlimit(name)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(name, (least, least))
        except (ValueError, OSError):  # not every system has every limit
            continue


def refuse(folder: str) -> None:
    """From now on no process, no socket, and no change of files outside the folder."""
    inside = os.path.realpath(folder) + os.sep

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return not isinstance(path, int)  # a file that is open already
        return not (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(inside)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(tuple(_PROCESSES)):
            _deny(event)
        if event in _CHANGES and any(
            outside(path) for path in arguments[:2] if isinstance(path, str | bytes)
        ):
            _deny(event)
        if event == "open" and len(arguments) == 3:
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and outside(path) and path != os.devnull:
                _deny(f"open {path!r}")

    sys.addaudithook(look)


def _deny(event: str) -> NoReturn:
    raise PermissionError(f"{event} is not allowed in the sandbox")


def main(
    program: str, folder: str, name: str, cpu_seconds: str, memory: str, file_bytes: str
) -> None:
    """Confine this process, then run the program under a name."""
    sys.argv = [program]
    limit(int(cpu_seconds), int(memory), int(file_bytes))
    refuse(folder)
    runpy.run_path(program, run_name=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
