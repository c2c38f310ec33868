"""Servers as processes of their own, ours and the peer's; tests start ours with this as well."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType


class Process:
    """A server that runs until ``stop``; it listens once this is made.

    Args:
        command: What starts it.
        port: Where it listens; None: it says so in its first line.
        environment: Variables beside ours.
    """

    def __init__(
        self, command: Sequence[str | Path], port: int | None = None, **environment: str
    ) -> None:
        self.running = subprocess.Popen(
            [*map(str, command)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **environment},
        )
        self.log: list[str] = []
        found = None if port is not None else self._announced()
        self.port = found if found is not None else port or 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def memory(self) -> int:
        """Bytes that it has in memory."""
        with open(f"/proc/{self.running.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        """Ask it to stop, and wait; the exit code."""
        if self.running.poll() is None:
            with suppress(ProcessLookupError):
                self.running.send_signal(signal.SIGTERM)
        code = self.running.wait(60)
        self._reader.join(10)
        return code

    def wait(self, path: str, seconds: float) -> bool:
        """Whether it answers a path within a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.running.poll() is None:
            with suppress(OSError):
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return True
            time.sleep(0.5)
        return False

    def _announced(self) -> int:
        assert self.running.stderr is not None
        for line in self.running.stderr:
            self.log.append(line)
            if found := re.search(r"http://\S+?:(\d+)", line):
                return int(found[1])
        raise RuntimeError("the server did not start: " + "".join(self.log))

    def _read(self) -> None:
        assert self.running.stderr is not None
        self.log += self.running.stderr


def start(*arguments: str, **environment: str) -> Process:
    """``mason serve`` on a free port."""
    command = [sys.executable, "-m", "mason", "serve", *arguments, "--port", "0"]
    return Process(command, **environment)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
