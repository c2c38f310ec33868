"""A line a request in the log, without a word of what was asked or answered."""

import sys
import time
from contextlib import suppress
from datetime import datetime

from mason.serving.messages import Head
from mason.serving.metrics import Metrics


class Access:
    """What one connection adds to the log and to the counters.

    Args:
        metrics: What is counted.
        client: Its address.
        quiet: Leave the log alone.
    """

    def __init__(self, metrics: Metrics, client: str, *, quiet: bool = False) -> None:
        self._metrics, self._client, self._quiet = metrics, client, quiet
        self._start, self._told = 0.0, False

    def begin(self) -> None:
        """A request is coming."""
        self._start, self._told = time.monotonic(), False

    def end(self, head: Head | None, route: str, status: int, usage: dict[str, int]) -> None:
        """A request was answered.

        Args:
            head: The request, as far as it came.
            route: A known path, or "-": others are not written down.
            status: Of HTTP.
            usage: Tokens read and written.
        """
        seconds = time.monotonic() - self._start
        self._told = True
        self._metrics.requests.add(route, str(status))
        self._metrics.seconds.observe(seconds)
        read, written = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        self._metrics.tokens.add("read", by=read)
        self._metrics.tokens.add("written", by=written)
        method = head.method[:10] if head is not None and route != "-" else "-"
        self._write(f"{method} {route} {status} {1e3 * seconds:.0f} ms {read}+{written} tokens")

    def left(self) -> None:
        """The client did not wait for its answer."""
        if not self._told:
            self._metrics.requests.add("-", "left")
            self._write(f"- - left {1e3 * (time.monotonic() - self._start):.0f} ms")

    def _write(self, line: str) -> None:
        if not self._quiet:
            now = datetime.now().isoformat(sep=" ", timespec="milliseconds")
            with suppress(OSError, ValueError):  # whoever read the log has left
                print(f"{now} {self._client} {line}", file=sys.stderr)
