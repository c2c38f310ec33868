"""What the server counts, in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
KIND = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter(
            "mason_requests", "Requests, by route and status.", ["route", "status"], registry=own
        )
        self.seconds = Histogram(
            "mason_request_seconds",
            "From a request's last byte to its answer's.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self.tokens = Counter("mason_tokens", "Tokens read and written.", ["kind"], registry=own)
        self.first = Histogram(
            "mason_first_token_seconds",
            "From a request's last byte to the first token written.",
            buckets=_SECONDS,
            registry=own,
        )
        self.steps = Histogram(
            "mason_step_answers",
            "Answers that were written together, step by step.",
            buckets=(1, 2, 4, 8, 16, 24, 32, 48, 64),
            registry=own,
        )
        ProcessCollector(registry=own)

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Show what something is whenever somebody asks."""
        Gauge(name, help, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
