"""A real browser without a window, spoken to over two pipes (Chrome's DevTools protocol)."""

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from mason.errors import RunError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120.0
"""How long an answer may take."""
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--remote-debugging-pipe about:blank"
).split()


def find_browser() -> str | None:
    """A Chromium on this machine; None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser, closed with the block it is used in.

    Args:
        program: As ``find_browser`` found it.
    """

    def __init__(self, program: str) -> None:
        self.events: list[dict[str, Any]] = []
        """What the page told without being asked, in order."""
        self._folder = tempfile.mkdtemp(prefix="mason-browser-")
        theirs_in, ours_out = map(_high, os.pipe())
        ours_in, theirs_out = map(_high, os.pipe())
        self._in, self._out = ours_in, ours_out
        quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in (0, 1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        command = [program, f"--user-data-dir={self._folder}", *_FLAGS]
        self._process = os.posix_spawn(
            program, command, os.environ, file_actions=[*quiet, *pipes], setpgroup=0
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._session = b"", 0, ""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and remove what it wrote."""
        if self._process:
            os.killpg(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0
            os.close(self._in)
            os.close(self._out)
            shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """The answer to a call of the protocol.

        Raises:
            RunError: The browser refuses it, or gives no answer.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + SECONDS
        while True:
            told = self._next(end)
            if told.get("id") != self._number:
                self.events.append(told)
            elif "error" in told:
                raise _failed(told["error"].get("message"))
            else:
                found: dict[str, Any] = told["result"]
                return found

    def open(self, page: Path) -> None:
        """Go to a file and wait until it is loaded."""
        self.go(page.resolve().as_uri())

    def go(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        end = time.monotonic() + SECONDS
        while all(event["method"] != "Page.loadEventFired" for event in self.events):
            self.events.append(self._next(end))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, awaited where it is a promise.

        Raises:
            RunError: It throws.
        """
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise _failed(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready = select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]
            read = os.read(self._in, 1 << 20) if ready else b""
            if not read:
                raise _failed("…")
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        return told


def _high(descriptor: int) -> int:
    """The same under a number that the child's own are not."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return found


def _failed(reason: object) -> RunError:
    return RunError("The browser could not run the page ({reason}).", reason=reason)
