"""One connection: bytes to requests and replies to bytes, with a bound for everything.

``h11`` knows the grammar of HTTP/1.1 and has no opinion on sockets, so that every time and size
can be bounded here, on one page: clients that send too slowly, take too slowly, send too much, or
leave.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import h11

from mason.errors import DataError
from mason.serving.access import Access
from mason.serving.app import App
from mason.serving.messages import Head, Reply
from mason.serving.refusals import Refusal, failed
from mason.serving.routes import Route
from mason.serving.tasks import log_failure

_READ = 2**16
"""Bytes read at once."""
_LOOK_SECONDS = 0.1
"""How often it is looked whether a client who waits is still there."""
_LINGER_SECONDS = 1.0
"""How long a client that is refused in the middle of a body may go on sending it."""
_ALWAYS = (
    ("Server", "mason"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


class Connection:
    """Answers the requests that come on one connection, one after another."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: App, access: Access
    ) -> None:
        self._reader, self._writer, self._app, self._limits = reader, writer, app, app.limits
        self._access = access
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        self._writer.transport.set_write_buffer_limits(high=_READ)
        self._client = str((writer.get_extra_info("peername") or ["?"])[0])
        self.idle = True
        """Whether no request is being read or answered."""

    async def run(self) -> None:
        """Go on until one side has enough."""
        wait = self._limits.head_seconds
        try:
            while await self._exchange(wait):
                self._http.start_next_cycle()
                wait = self._limits.idle_seconds
        except (TimeoutError, OSError, h11.LocalProtocolError):
            self._writer.transport.abort()  # too slow, or gone
        finally:
            self.idle = True
            self._writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await self._writer.wait_closed()

    async def _exchange(self, wait: float) -> bool:
        """Read a request and answer it; whether another may follow."""
        self.idle = True
        if not self._http.trailing_data[0] and not await self._receive(wait):
            return False
        self.idle = False
        head = None
        self._access.begin()
        try:
            head = await self._head()
            if head is None:
                return False
            route = self._app.admit(head)
            body = await self._body(head)
        except h11.RemoteProtocolError as error:
            await self._refuse(_broken(error), head)
            return False
        except TimeoutError:
            await self._refuse(_slow(), head)
            return False
        except Refusal as refusal:
            await self._refuse(refusal, head)
            return self._may_go_on()
        await self._while_there(self._answer(route, head, body))
        return self._may_go_on()

    async def _receive(self, seconds: float) -> bool:
        """Take what has come; whether anything has."""
        async with asyncio.timeout(seconds):
            data = await self._reader.read(_READ)
        self._http.receive_data(data)
        return bool(data)

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event

    async def _head(self) -> Head | None:
        async with asyncio.timeout(self._limits.head_seconds):
            event = await self._event()
        if not isinstance(event, h11.Request):
            return None  # the client has closed
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key = name.decode("ascii")
            if key in headers:
                raise Refusal(400, DataError("The header {name} comes twice.", name=key))
            headers[key] = value.decode("latin-1")
        path = event.target.decode("ascii").partition("?")[0]
        return Head(event.method.decode("ascii"), path, headers, self._client)

    async def _body(self, head: Head) -> bytes:
        limit = self._limits.body_bytes
        announced = head.headers.get("content-length", "0")
        if len(announced) > 15 or int(announced) > limit:
            raise _too_large(limit)
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        parts, size = [], 0
        async with asyncio.timeout(self._limits.body_seconds):
            while not isinstance(event := await self._event(), h11.EndOfMessage):
                parts.append(bytes(event.data))
                size += len(event.data)
                if size > limit:
                    raise _too_large(limit)
        return b"".join(parts)

    async def _while_there(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for a client, and drop it when the client leaves."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_LOOK_SECONDS)
                if self._reader.at_eof() or self._writer.transport.is_closing():
                    break
        finally:
            left = task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if left:
                self._access.left()

    async def _answer(self, route: Route, head: Head, body: bytes) -> None:
        try:
            reply = await self._app.answer(route, body)
        except Refusal as refusal:
            await self._refuse(refusal, head)
            return
        except Exception:  # the server lives on
            log_failure()
            await self._refuse(failed(), head)
            return
        await self._tell(reply)
        self._access.end(head, route.path, reply.status, reply.usage)

    async def _tell(self, reply: Reply) -> None:
        headers = [("Content-Type", reply.kind), *_ALWAYS, *reply.headers]
        if self._app.stopping:
            headers.append(("Connection", "close"))
        whole = reply.body if isinstance(reply.body, bytes) else None
        if whole is not None:
            headers.append(("Content-Length", str(len(whole))))
        await self._send(h11.Response(status_code=reply.status, headers=headers))
        if isinstance(reply.body, AsyncGenerator):
            # Closed here, not when it is collected: a write to who has left raises, and what
            # is being written for him ends with it.
            async with aclosing(reply.body) as pieces:
                async for piece in pieces:
                    await self._send(h11.Data(data=piece))
        elif self._http.their_state is not h11.ERROR and whole:
            await self._send(h11.Data(data=whole))
        await self._send(h11.EndOfMessage())

    async def _refuse(self, refusal: Refusal, head: Head | None) -> None:
        """Say why, where there is still somebody to be told."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            whole = self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
            more = refusal.headers if whole else (*refusal.headers, ("Connection", "close"))
            bare = head is not None and head.method == "HEAD"
            body = b"" if bare else refusal.body
            await self._tell(Reply(refusal.status, body, headers=more))
            if not whole:
                await self._linger()
        path = head.path if head is not None and head.path in self._app.routes else "-"
        self._access.end(head, path, refusal.status, {})

    async def _linger(self) -> None:
        """Let the client read why, while it is still sending: closing at once would reset it."""
        with suppress(OSError, TimeoutError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_READ):
                    pass

    async def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.send_seconds):
                await self._writer.drain()

    def _may_go_on(self) -> bool:
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        return done and not self._app.stopping


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, DataError("The body has more than {limit} bytes; send less at once.", limit=limit)
    )


def _slow() -> Refusal:
    return Refusal(408, DataError("The request came too slowly."))


def _broken(error: h11.RemoteProtocolError) -> Refusal:
    # Its 501 for an unknown transfer encoding would read as a failure of ours.
    status = error.error_status_hint if error.error_status_hint < 500 else 400
    return Refusal(status, DataError("This is not HTTP: {reason}.", reason=error))
