"""Ctrl-C and a polite kill as requests: finish the step, keep what was learned, leave."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Interruption:
    """While it is entered, the first SIGINT, SIGTERM or SIGHUP is noted; a second one ends at once.

    Outside the main thread, where Python takes no signals, nothing changes.

    Attributes:
        signal: The number of the signal that asked to stop; None: none did.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    @property
    def asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self.signal is not None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            # Under nohup a closed terminal is to be ignored.
            heard = [s for s in self._SIGNALS if not (s == signal.SIGHUP and _ignored(s))]
            self._before = {s: signal.signal(s, self._note) for s in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        # Not the handlers from before: a process started in the background ignores SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def postponed() -> Iterator[None]:
    """A signal within arrives after: where finalisers run, Python drops what is raised in them."""
    with Interruption() as interruption:
        yield
    if interruption.signal is not None:
        signal.raise_signal(interruption.signal)


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN
