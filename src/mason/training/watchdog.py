"""A run that hangs says where."""

import faulthandler
import time
from contextlib import suppress
from pathlib import Path

_LEAST_SECONDS, _TIMES = 600.0, 20.0


class Watchdog:
    """Writes where every thread stands when no step ends for ten minutes.

    Or for twenty times the longest step so far, if that is more. The run is left alone:
    the file is for whoever comes to look.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stream = None
        self._longest = 0.0
        self._last: float | None = None
        with suppress(OSError):
            self._stream = file.open("w")

    def tick(self) -> None:
        """A step has ended; wait for the next one."""
        if self._stream is None:
            return
        now = time.monotonic()
        if self._last is not None:
            self._longest = max(self._longest, now - self._last)
        self._last = now
        patience = max(_LEAST_SECONDS, _TIMES * self._longest)
        faulthandler.dump_traceback_later(patience, file=self._stream)

    def stop(self) -> None:
        """The run is over; an empty file goes."""
        if self._stream is None:
            return
        faulthandler.cancel_dump_traceback_later()
        self._stream.close()
        with suppress(OSError):
            if self.file.stat().st_size == 0:
                self.file.unlink()
