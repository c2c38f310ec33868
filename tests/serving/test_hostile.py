"""What strangers send: requests of all kinds, slowly, in pieces, and none of them to the end."""

import gc
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mason.serving import Limits, Served

from .conftest import NAME, Asking, serving

LIMITS = Limits(
    head_seconds=0.6,
    body_seconds=0.6,
    send_seconds=0.6,
    idle_seconds=0.9,
    new_tokens=4,
    default_new_tokens=4,
    connections=60,
    connections_of_one=50,
)
SEVERAL = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEAD = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def strict(small: Served) -> Iterator[Asking]:
    with serving(small, LIMITS) as found:
        yield found


def raw(server: Asking, *pieces: bytes, wait: float = 0.0) -> bytes:
    """What comes back for pieces sent with waits between them, until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(wait)
        found = b""
        try:
            while data := connection.recv(65536):
                found += data
        except OSError:
            pass
        return found


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)
PROMPT = st.one_of(st.text(max_size=50), st.lists(st.text(max_size=9), max_size=3))
FIELDS = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0.01, 1),
    "n": st.integers(1, 3),
    "max_tokens": st.integers(1, 4),
    "stop": st.lists(st.text(min_size=1, max_size=5), max_size=3),
    "logprobs": st.integers(0, 5),
    "presence_penalty": st.floats(-2, 2),
    "logit_bias": st.dictionaries(
        st.integers(0, 50_000).map(str), st.floats(-100, 100), max_size=3
    ),
    "stream": st.booleans(),
    "response_format": st.sampled_from([{"type": "json_object"}, {"type": "text"}]),
    "seed": st.integers(-(2**63), 2**63 - 1),
}
REQUESTS = st.fixed_dictionaries(
    {"model": st.just(NAME), "prompt": st.one_of(PROMPT, PROMPT, ODD)},
    optional={name: st.one_of(kind, kind, ODD) for name, kind in FIELDS.items()},
)


@SEVERAL
@given(REQUESTS)
def test_no_request_is_too_much(strict: Asking, body: dict[str, Any]) -> None:
    status, _, _ = strict.ask("/v1/completions", json.dumps(body).encode())
    assert status in (200, 400)


@SEVERAL
@given(st.binary(max_size=200))
def test_nor_are_bytes(strict: Asking, noise: bytes) -> None:
    for found in (
        raw(strict, noise + b"\r\n\r\n"),
        raw(
            strict,
            f"{HEAD}Content-Length: {len(noise)}\r\nConnection: close\r\n\r\n".encode() + noise,
        ),
    ):
        assert not found or found.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), found[:80]


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000], b"431"),
        ([b"GET /health HTTP/1.1\r\n\r\n"], b"400"),
        ([b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], b"400"),
        ([b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: 1\r\nX: 2\r\n\r\n"], b"400"),
        ([f"{HEAD}Content-Length: 99999999\r\n\r\n".encode()], b"413"),
        ([f"{HEAD}Content-Length: {'9' * 400}\r\n\r\n".encode()], b"4"),
        ([f"{HEAD}Content-Length: -1\r\n\r\n".encode()], b"400"),
        ([f"{HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n".encode()], b"4"),
        (
            [
                f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode(),
                b"10000\r\n" + b"a" * 65536 + b"\r\n",
            ]
            + [b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 20,
            b"413",
        ),
    ],
)
def test_too_much_is_refused(strict: Asking, pieces: list[bytes], status: bytes) -> None:
    found = raw(strict, *pieces)
    assert found.startswith(b"HTTP/1.1 " + status), found[:200]


def test_slow_ones_are_cut(strict: Asking) -> None:
    head = f"{HEAD}Content-Length: 50\r\n\r\n".encode()
    for pieces in (
        [],  # connects and says nothing
        [bytes([byte]) for byte in head],  # a letter at a time
        [head, *[b"x"] * 50],  # a body likewise
        [b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"],  # and then nothing more
    ):
        start = time.monotonic()
        raw(strict, *pieces, wait=0.05)
        assert time.monotonic() - start < 4


def test_many_slow_ones_hold_nobody_up(strict: Asking) -> None:
    with ExitStack() as opened:
        for _ in range(45):
            one = opened.enter_context(socket.create_connection(("127.0.0.1", strict.port), 10))
            one.sendall(b"POST /v1/completions HTTP/1.1\r\n")
        start = time.monotonic()
        assert strict.ask("/health")[0] == 200
        assert time.monotonic() - start < 1
        for _ in range(9):
            opened.enter_context(socket.create_connection(("127.0.0.1", strict.port), 10))
        assert strict.ask("/health")[0] == 429, "there are too many of one address"
    time.sleep(1.5)
    assert strict.ask("/health")[0] == 200


def test_who_leaves_is_not_written_for(small: Served) -> None:
    with serving(small) as server:
        assert server.app is not None
        body = {
            "model": NAME,
            "prompt": "a",
            "max_tokens": 4000,
            "logit_bias": {"2": -100, "0": -100},
        }
        text = json.dumps({**body, "stream": True}).encode()
        head = f"{HEAD}Content-Length: {len(text)}\r\n\r\n".encode()
        connection = socket.create_connection(("127.0.0.1", server.port), 10)
        connection.sendall(head + text)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        # The head of the answer may be there before its first token is written.
        assert _comes_to(server.app.worker, 1)
        connection.close()
        assert _comes_to(server.app.worker, 0)


def _comes_to(worker: Any, num_running: int) -> bool:
    end = time.monotonic() + 5
    while worker.num_running != num_running and time.monotonic() < end:
        time.sleep(0.005)
    return bool(worker.num_running == num_running)


def test_what_was_asked_is_forgotten(strict: Asking) -> None:
    """Objects of requests do not pile up."""

    def ask(count: int) -> int:
        for number in range(count):
            strict.ask("/v1/completions", {"model": NAME, "prompt": f"{number}", "max_tokens": 1})
        gc.collect()
        return len(gc.get_objects())

    ask(5)
    before = ask(5)
    assert ask(40) - before < 400


def test_pipelined_requests_are_answered_in_turn(strict: Asking) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert raw(strict, one * 3 + last).count(b'{"status":"ok"}') == 4
