"""Where requests are made ready, beside the event loop: tokens counted, grammars compiled."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mason.serving.refusals import busy

T = TypeVar("T")


class Desk:
    """One thread, and a bounded number of requests before it.

    Args:
        most: Requests that may be here.
    """

    def __init__(self, most: int) -> None:
        self._most, self._here = most, 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mason-desk")

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` gives.

        Raises:
            Refusal: Too many requests are here, or ``work`` refuses.
        """
        if self._here >= self._most:
            raise busy()
        self._here += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._here -= 1

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)
