"""All routes of a server, and how a request becomes a reply."""

import asyncio
import time

from mason.runtime import resident_bytes
from mason.serving.desk import Desk
from mason.serving.gate import Gate
from mason.serving.limits import Limits
from mason.serving.messages import Head, Reply, as_json
from mason.serving.metrics import KIND, Metrics
from mason.serving.openapi import describe
from mason.serving.readers import ReadingRoutes
from mason.serving.refusals import stopping, too_slow
from mason.serving.routes import Route, find_route
from mason.serving.served import Served, Writing
from mason.serving.writers import WritingRoutes


class App:
    """What one model answers.

    Args:
        served: The model.
        gate: Who may ask.
        limits: All bounds.
    """

    def __init__(self, served: Served, gate: Gate, limits: Limits) -> None:
        self._served, self._gate, self.limits = served, gate, limits
        self.metrics, self.stopping, self._since = Metrics(), False, int(time.time())
        self._desk = Desk(limits.waiting)
        own: WritingRoutes | ReadingRoutes
        if isinstance(served.model, Writing):
            own = WritingRoutes(served, self._desk, limits, self.metrics)
        else:
            own = ReadingRoutes(served, self._desk, limits)
        self.worker = own.worker
        about = [
            Route(
                "GET",
                "/v1/models",
                self._models,
                says="The model that is served, and its adapters.",
            ),
            Route("GET", "/health", self._health, says="Whether the server answers."),
            Route("GET", "/metrics", self._metrics, says="Counters for Prometheus."),
            Route("GET", "/openapi.json", self._described, says="This description."),
        ]
        self.routes = {route.path: route for route in (*own.routes(), *about)}
        self.metrics.gauge("mason_resident_bytes", "Memory held.", resident_bytes)
        self.metrics.gauge("mason_running", "Being done.", lambda: self.worker.num_running)
        self.metrics.gauge("mason_waiting", "Waiting for a place.", lambda: self.worker.num_waiting)

    def admit(self, head: Head) -> Route:
        """The route of a request that may be answered.

        Raises:
            Refusal: It may not.
        """
        self._gate.check(head)
        route = find_route(self.routes, head)
        if self.stopping and route.takes is not None:
            raise stopping()
        return route

    async def answer(self, route: Route, body: bytes) -> Reply:
        """The reply to a body.

        Raises:
            Refusal: There is none.
        """
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                return await route.handler(body)
        except TimeoutError:
            raise too_slow(self.limits.answer_seconds) from None

    def close(self) -> None:
        """Let the threads end."""
        self.worker.stop()
        self._desk.close()

    async def _models(self, body: bytes) -> Reply:
        own = self._served.name
        data = [
            {"id": name, "object": "model", "created": self._since, "owned_by": "mason"}
            | ({} if name == own else {"parent": own})
            for name in self._served.names
        ]
        return as_json({"object": "list", "data": data})

    async def _health(self, body: bytes) -> Reply:
        return as_json({"status": "stopping" if self.stopping else "ok"})

    async def _metrics(self, body: bytes) -> Reply:
        return Reply(200, self.metrics.text(), KIND)

    async def _described(self, body: bytes) -> Reply:
        return as_json(describe(self.routes.values()))
