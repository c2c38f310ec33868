"""Listens, counts who is there, and stops in order."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from mason.errors import RunError
from mason.serving.access import Access
from mason.serving.app import App
from mason.serving.connections import Connection
from mason.serving.gate import Gate
from mason.serving.limits import Limits
from mason.serving.refusals import busy
from mason.serving.served import Served

_BACKLOG = 256
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server:
    """Connections of one app.

    Args:
        app: What answers.
        quiet: Write no log.
    """

    def __init__(self, app: App, *, quiet: bool = False) -> None:
        self._app, self._limits, self._quiet = app, app.limits, quiet
        self._open: dict[asyncio.Task[None], Connection] = {}
        self._clients: Counter[str] = Counter()
        app.metrics.gauge("mason_connections", "Open.", lambda: len(self._open))

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client, unless there are too many, or too many of its kind."""
        client = str((writer.get_extra_info("peername") or ["?"])[0])
        task = asyncio.current_task()
        assert task is not None
        many = len(self._open) >= self._limits.connections
        if many or self._clients[client] >= self._limits.connections_of_one or self._app.stopping:
            refusal = busy()
            head = f"HTTP/1.1 429 -\r\nConnection: close\r\nContent-Length: {len(refusal.body)}\r\n"
            with suppress(OSError):
                writer.write(f"{head}Retry-After: 1\r\n\r\n".encode() + refusal.body)
                writer.close()
            return
        access = Access(self._app.metrics, client, quiet=self._quiet)
        connection = Connection(reader, writer, self._app, access)
        self._open[task] = connection
        self._clients[client] += 1
        try:
            with suppress(asyncio.CancelledError):  # of ``drain``; the task ends here anyway
                await connection.run()
        finally:
            del self._open[task]
            self._clients[client] -= 1
            self._clients += Counter()  # forget those that are gone

    async def drain(self) -> None:
        """Let requests end, but not for ever; those who ask for nothing are let go of at once."""
        self._app.stopping = True
        for task, connection in list(self._open.items()):
            if connection.idle:
                task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=self._limits.stop_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


def serve(
    served: Served,
    *,
    host: str,
    port: int,
    key: str | None = None,
    names: tuple[str, ...] = (),
    limits: Limits | None = None,
    quiet: bool = False,
    ready: Callable[[str, list[str]], None] = lambda address, routes: None,
) -> None:
    """Answer requests until a signal asks to stop: then finish what runs, and return.

    Args:
        served: The model.
        host: Where to listen.
        port: 0: any that is free.
        key: What requests must carry; needed where others reach the address.
        names: Hosts beside the address that it is reached by.
        limits: All bounds; None: the usual ones.
        quiet: Write no log.
        ready: Called with the address and the routes once it listens.

    Raises:
        SettingsError: Others could reach it without a key, or the key is guessed.
        RunError: The address cannot be had.
    """
    Gate.of(host, port, key=key, names=names)  # refused before anything is bound
    asyncio.run(_serve(served, host, port, key, names, limits or Limits(), quiet, ready))


async def _serve(
    served: Served,
    host: str,
    port: int,
    key: str | None,
    names: tuple[str, ...],
    limits: Limits,
    quiet: bool,
    ready: Callable[[str, list[str]], None],
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    server: Server | None = None

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert server is not None, "it listens once it is made"
        await server.connect(reader, writer)

    try:
        listening = await asyncio.start_server(
            connect, host, port, backlog=_BACKLOG, limit=2**16, start_serving=False
        )
    except OSError as error:
        raise RunError(
            "{host}:{port} cannot be had ({reason}); choose another --port.",
            host=host,
            port=port,
            reason=error.strerror or error,
        ) from None
    port = listening.sockets[0].getsockname()[1]
    app = App(served, Gate.of(host, port, key=key, names=names), limits)
    server = Server(app, quiet=quiet)
    for number in _SIGNALS:
        loop.add_signal_handler(number, _ask, asked, loop)
    app.worker.start()
    async with listening:
        await listening.start_serving()
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{port}", list(app.routes))
        await asked.wait()
        listening.close()
        await server.drain()
    app.worker.give_up()
    app.close()


def _ask(asked: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Stop in order; a second signal ends at once."""
    asked.set()
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
