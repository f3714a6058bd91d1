"""The recipes of the page on monitoring, run where their libraries are installed."""

import runpy
from pathlib import Path

import pytest

from b24batch import RetryPolicy
from b24batch.sandbox import Portal

SAMPLES = Path(__file__).parent.parent / "docs" / "samples"
AT_ONCE = RetryPolicy(random=lambda: 0.001)
GET = ("server.time",)


def test_prometheus():
    """Requests, seconds, waits, commands and operating times are metrics, without a secret."""
    client = pytest.importorskip("prometheus_client")
    recipe = runpy.run_path(str(SAMPLES / "prometheus_metrics.py"))
    with Portal(operating_limit=480) as portal, portal.session(retries=AT_ONCE) as session:
        portal.cost("server.time", 7.5)
        b24 = recipe["watch"](session)
        portal.fail_next("rate_limited")
        b24.batch_by_chunk([GET] * 3, chunk_size=2)
        text, host = client.generate_latest().decode(), portal.url.split("/")[2]
        for line in (
            f'b24_requests_total{{ended="answered",host="{host}"}} 2.0',
            f'b24_requests_total{{ended="RateLimited",host="{host}"}} 1.0',
            f'b24_request_seconds_count{{host="{host}"}} 3.0',
            'b24_waited_seconds_total{reason="retry"} 0.001',
            'b24_commands_total{status="ok"} 3.0',
            'b24_operating_seconds{method="server.time"} 22.5',
        ):
            assert line in text
        assert portal.url.rstrip("/").rpartition("/")[2] not in text


def test_opentelemetry():
    """Each request is a span inside the caller's, with its own times, and an error if it failed."""
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    recipe = runpy.run_path(str(SAMPLES / "opentelemetry_spans.py"))
    with Portal() as portal, portal.session(retries=AT_ONCE, on_request=recipe["on_request"]) as b24:
        portal.fail_next("rate_limited")
        with trace.get_tracer("mine").start_as_current_span("import"):
            b24.batch_by_chunk([GET] * 3, chunk_size=2, concurrency=2, request_id="run")
        code = portal.url.rstrip("/").rpartition("/")[2]
    *requests, outer = exporter.get_finished_spans()
    assert {span.name for span in requests} == {"POST batch"}
    assert sorted(span.attributes.get("error.type", "") for span in requests) == ["", "", "RateLimited"]
    assert {span.parent.span_id for span in requests} == {outer.context.span_id}
    assert all(outer.start_time - 10**6 <= span.start_time < span.end_time <= outer.end_time for span in requests)
    assert code not in "".join(span.to_json() for span in requests)
