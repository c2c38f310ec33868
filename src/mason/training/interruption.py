"""Ctrl-C as a request: finish the step, keep what was learned, leave."""

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """While it is entered, the first SIGINT is noted in ``asked``; a second one ends at once.

    Outside the main thread, where Python takes no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        # Not the handler from before: a process started in the background ignores SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
