"""Requests of strangers, for ``benchmarks.serving --hostile``: see there."""

import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from benchmarks.report import Goal, Row
from benchmarks.server_process import Process, start

MODEL = "SmolLM2-135M-Instruct"
_MOST_TOKENS = 3
"""Of an answer: what is measured is who is let in, not how fast the model writes."""
_HEADERS = ("Host", "Origin", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect")
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=200),
    st.lists(st.integers(), max_size=4),
    st.recursive(st.integers(), lambda x: st.lists(x, max_size=3), max_leaves=40),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)
FIELDS = (
    "model n temperature top_p top_k min_p frequency_penalty presence_penalty repetition_penalty "
    "logit_bias seed stop stream stream_options response_format user messages prompt suffix "
    "max_tokens logprobs tools chat_template_kwargs guided_regex best_of url"
).split()


class Strangers:
    """Sends what it is given and counts what comes back.

    Args:
        server: Whom to send it to.
    """

    def __init__(self, server: Process) -> None:
        self.server, self.statuses = server, Counter[str]()

    def post(self, path: str, body: bytes, method: str = "POST", **headers: str) -> None:
        """A request of HTTP."""
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            told = {"Content-Type": "application/json", **headers}
            connection.request(method, path, body or None, told)
            reply = connection.getresponse()
            reply.read()
            self._count(reply.status)
        except (OSError, HTTPException, ValueError):
            self.statuses["closed"] += 1
        finally:
            connection.close()

    def send(self, noise: bytes) -> None:
        """Bytes."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port), 20) as to:
            to.sendall(noise)
            to.shutdown(socket.SHUT_WR)
            found = to.recv(64)
            if found.startswith(b"HTTP/1.1 "):
                self._count(int(found[9:12]))
                return
        self.statuses["closed"] += 1

    def _count(self, status: int) -> None:
        if status >= 500:
            print(f"{status}: {self.server.log[-12:]}", file=sys.stderr)
        self.statuses[str(status)] += 1

    @property
    def total(self) -> int:
        """All that was sent."""
        return self.statuses.total()


def measured(count: int, sockets: int) -> list[Row]:
    """The rows of so many requests beside so many slow sockets."""
    with start(MODEL, "--weights", "int8", "--quiet") as server:
        strangers = Strangers(server)
        for attack in (_noise, _fields, _schemas):  # what is made once is made
            attack(strangers, count // 20 + 10)
        as_json = {"response_format": {"type": "json_object"}, "max_tokens": 8, "n": 8}
        for prompt in ("a", "word " * 2000):
            body = {"model": MODEL, "prompt": prompt, **as_json}
            strangers.post("/v1/completions", json.dumps(body).encode())
        before = server.memory()
        with Slow(server.port, sockets) as slow:
            # Two answers of three are refused at once; what is in form comes from all sides.
            for attack in (_noise, _fields, _schemas):
                attack(strangers, count // 3 + 1)
        grown = (server.memory() - before) / 2**20
        alive = server.running.poll() is None
        latencies = sorted(slow.latencies)
    for status, times in sorted(strangers.statuses.items()):
        print(f"{status}: {times}", file=sys.stderr)
    errors = sum(n for status, n in strangers.statuses.items() if status.startswith("5"))
    p99 = latencies[int(0.99 * (len(latencies) - 1))]
    return [
        Row("requests", strangers.total, goal=Goal("≥", count)),
        Row("of them answered with 2xx", strangers.statuses["200"]),
        Row("of them answered with 5xx", errors, goal=Goal("≤", 0)),
        Row("crashes", int(not alive), goal=Goal("≤", 0)),
        Row("slow sockets open at once", slow.most),
        Row("slow sockets cut", slow.cut),
        Row("health meanwhile: seconds, p99", p99, goal=Goal("≤", 1)),
        Row("health meanwhile: not told", slow.silent, goal=Goal("≤", 0)),
        Row("memory grown, MiB", grown, goal=Goal("≤", 100)),
    ]


class Slow:
    """Sockets that send a byte a second and come again when they are cut; and a look at health.

    Args:
        port: Whom to bother.
        count: Sockets.
    """

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self.latencies: list[float] = []
        self.cut, self.silent, self.most = 0, 0, 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._drip, self._look)]

    def __enter__(self) -> "Slow":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _drip(self) -> None:
        beginning = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Filler: "
        held: list[socket.socket] = []
        while not self._over.is_set():
            while len(held) < self._count:
                try:
                    held.append(socket.create_connection(("127.0.0.1", self._port), 5))
                    held[-1].sendall(beginning)
                except OSError:
                    break
            self.most = max(self.most, len(held))
            self._over.wait(1)
            for one in [*held]:
                try:
                    one.sendall(b"a")
                    one.setblocking(False)
                    gone = one.recv(1) == b"" or True
                except BlockingIOError:
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    self.cut += 1
                    held.remove(one)
                    one.close()
        for one in held:
            one.close()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            begun = time.monotonic()
            try:
                connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", "/health")
                self.silent += connection.getresponse().status != 200
                connection.close()
            except (OSError, HTTPException):
                self.silent += 1
            self.latencies.append(time.monotonic() - begun)


def _each(count: int, strategy: Any, do: Callable[[Any], None]) -> None:
    """Do something with so many examples, without a database or shrinking."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(1)
    @given(strategy)
    def run(example: Any) -> None:
        do(example)

    run()


def _noise(strangers: Strangers, count: int) -> None:
    """Bytes alone, in the place of a head, and in that of a body."""
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    kind = head + b"Content-Type: application/json\r\n"

    def send(example: tuple[int, bytes, str]) -> None:
        way, noise, header = example
        length = f"Content-Length: {len(noise)}\r\n\r\n".encode()
        strangers.send(
            (
                noise,
                head + header.encode() + b": " + noise + b"\r\n\r\n",
                kind + length + noise,
                kind + b"Transfer-Encoding: chunked\r\n\r\n" + noise,
            )[way]
        )

    examples = st.tuples(st.integers(0, 3), st.binary(max_size=500), st.sampled_from(_HEADERS))
    _each(count, examples, send)


def _fields(strangers: Strangers, count: int) -> None:
    """A request in form, with some fields that are not."""
    message = {"role": "user", "content": "Hello"}
    base = {"model": MODEL, "max_tokens": _MOST_TOKENS}

    def send(example: tuple[bool, dict[str, Any]]) -> None:
        chat, odd = example
        own = {"messages": [message]} if chat else {"prompt": "Hello"}
        path = "/v1/chat/completions" if chat else "/v1/completions"
        strangers.post(path, json.dumps(_short({**base, **own, **odd})).encode())

    odd = st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=3)
    _each(count, st.tuples(st.booleans(), odd), send)


def _schemas(strangers: Strangers, count: int) -> None:
    """What schemathesis makes of the description."""
    connection = HTTPConnection("127.0.0.1", strangers.server.port)
    connection.request("GET", "/openapi.json")
    schema = schemathesis.openapi.from_dict(json.loads(connection.getresponse().read()))
    connection.close()
    operations = [found.ok() for found in schema.get_all_operations()]

    def send(case: Any) -> None:
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else None
        text = b"" if body is None else json.dumps(_short(body)).encode()
        strangers.post(case.path, text, case.method.upper())

    for operation in operations:
        share = count // len(operations) // 2 + 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if operation.body:
                _each(share, operation.as_strategy(generation_mode=mode), send)
            else:
                for _ in range(share):
                    strangers.post(operation.path, b"", operation.method.upper())


def _short(body: Any) -> Any:
    """The same request for an answer of a few tokens, where it asks for one."""
    if isinstance(body, dict):
        for name in ("max_tokens", "max_completion_tokens"):
            if isinstance(body.get(name), int) and body[name] > _MOST_TOKENS:
                return {**body, name: _MOST_TOKENS}
        if "messages" in body and body.get("max_tokens") is None:
            return {**body, "max_tokens": _MOST_TOKENS}
    return body
