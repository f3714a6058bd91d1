"""Metrics of sessions for Prometheus: ``pip install prometheus-client``."""

import time
from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from b24batch import Session
from b24batch.wire import FinishedRequest, Wait

# hooks: begin
REQUESTS = Counter("b24_requests", "HTTP requests, by how they ended", ["host", "ended"])
SECONDS = Histogram("b24_request_seconds", "Seconds of each HTTP request", ["host"], buckets=(0.1, 0.5, 1, 5, 20, 60))
WAITED = Counter("b24_waited_seconds", "Seconds of all waits", ["reason"])


def on_request(request: FinishedRequest) -> None:
    """Count a request."""
    REQUESTS.labels(request.host, request.error or "answered").inc()
    SECONDS.labels(request.host).observe(request.seconds)


def on_wait(wait: Wait) -> None:
    """Count a wait."""
    WAITED.labels(wait.reason).inc(wait.seconds)


# hooks: end


# collector: begin
class SessionCollector(Collector):
    """Reads the statistics of a session each time Prometheus asks."""

    def __init__(self, b24: Session) -> None:
        self.b24 = b24

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the commands by status, and the operating time of each method that is not over."""
        statistics, now = self.b24.statistics, time.time()
        commands = CounterMetricFamily("b24_commands", "Commands by their outcome", labels=["status"])
        for status, number in statistics.commands.items():
            commands.add_metric([status], number)
        yield commands
        operating = GaugeMetricFamily("b24_operating_seconds", "Operating time, limit 480", labels=["method"])
        for method, used in statistics.methods.items():
            if used.reset_at > now:
                operating.add_metric([method], used.operating)
        yield operating


def watch(b24: Session) -> Session:
    """Return the session with its metrics switched on; call this once in each process."""
    REGISTRY.register(SessionCollector(b24))
    return b24.with_options(on_request=on_request, on_wait=on_wait)


# collector: end
