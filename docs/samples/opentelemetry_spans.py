"""A span for each HTTP request, for OpenTelemetry: ``pip install opentelemetry-api``."""

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from b24batch.wire import FinishedRequest

tracer = trace.get_tracer("b24batch")


def on_request(request: FinishedRequest) -> None:
    """Record a request as a span inside the current one."""
    began = int(request.began * 1e9)
    attributes: dict[str, str | int] = {
        "server.address": request.host,
        "http.request.method": "POST",
        "http.request.resend_count": request.attempt - 1,
        "http.request.header.x-request-id": request.request_id,
        "b24.method": request.method,
        "b24.commands": request.commands,
    }
    if request.http_status is not None:
        attributes["http.response.status_code"] = request.http_status
    span = tracer.start_span(f"POST {request.method}", kind=SpanKind.CLIENT, attributes=attributes, start_time=began)
    if request.error is not None:
        span.set_attribute("error.type", request.error)
        span.set_status(StatusCode.ERROR, request.code)
    span.end(began + int(request.seconds * 1e9))
