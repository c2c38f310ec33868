"""What the server counts, in Prometheus' text format (version 0.0.4)."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

KIND = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_ANSWERS = (1, 2, 4, 8, 16, 24, 32, 48, 64)


class Counter:
    """How often, or how much, by labels whose values are few and known."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self.name, self.help, self._labels = f"{name}_total", help, labels
        self._counts: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, by: float = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + by

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        for values, count in sorted(self._counts.copy().items()):
            told = ",".join(f'{k}="{v}"' for k, v in zip(self._labels, values, strict=True))
            yield f"{self.name}{{{told}}} {count:g}"


class Histogram:
    """How large, in steps."""

    kind = "histogram"

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:
        self.name, self.help, self._bounds = name, help, bounds
        self._counts, self._sum = [0] * (len(bounds) + 1), 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it: each step counts those below it too."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {self._sum:.6g}"
        yield f"{self.name}_count {total}"


class Gauge:
    """What something is whenever somebody asks."""

    kind = "gauge"

    def __init__(self, name: str, help: str, value: Callable[[], float]) -> None:
        self.name, self.help, self._value = name, help, value

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        yield f"{self.name} {self._value():g}"


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.requests = Counter(
            "mason_requests", "Requests, by route and status.", ("route", "status")
        )
        self.tokens = Counter("mason_tokens", "Tokens read and written.", ("kind",))
        self.seconds = Histogram(
            "mason_request_seconds", "From a request's first byte to its answer's last.", _SECONDS
        )
        self.first = Histogram(
            "mason_first_token_seconds", "From a stream's start to its first token.", _SECONDS
        )
        self.steps = Histogram(
            "mason_step_answers", "Answers that were written together, step by step.", _ANSWERS
        )
        self._all: list[Counter | Histogram | Gauge] = [
            self.requests,
            self.tokens,
            self.seconds,
            self.first,
            self.steps,
        ]

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Show what something is."""
        self._all.append(Gauge(name, help, value))

    def text(self) -> bytes:
        """All of it."""
        lines = []
        for one in self._all:
            lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}"]
            lines += one.lines()
        return "".join(f"{line}\n" for line in lines).encode()
