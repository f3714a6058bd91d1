"""The faults that ``portal.fail_next(name)`` can inject, and what the client sees.

Executed, then the answer is lost:

``lost_after``
    The connection closes without an answer.
``reset_after``
    The connection is reset without an answer.
``silent``
    No answer: the connection stays open until the client or the portal closes it.
``half_headers``, ``half_headers_reset``
    The status line and some headers, then the connection closes, or is reset.
``half_body``, ``half_body_reset``
    All headers and half of the body, then the connection closes, or is reset.
``half_body_unsized``
    Half of the body, with no length given, then the connection closes.
``stall``
    All headers and half of the body, then nothing more; the connection stays open, as with ``silent``.
``chunked_cut``
    A chunked body whose last chunk is cut off, then the connection closes.
``chunked_garbage``
    A chunked body with an invalid chunk size, then the connection closes.
``garbage_status``
    Bytes without a valid status line, then the connection closes.
``many_headers``
    200 with 1000 headers, more than HTTP clients accept.
``garbage_gzip``, ``cut_gzip``
    An answer declared as gzip that is not gzip, or only half of it.
``html_200``, ``html_502``, ``html_503``
    An HTML page with this status.
``empty``
    200 with an empty body.
``invalid_json``
    The answer without its last byte, with a matching length.
``malformed_maps``, ``missing_maps``
    A batch answer whose maps are not maps, or are missing; a direct call is answered as usual.
``no_result``
    200 with ``time`` and no ``result``.
``wrong_encoding``
    200 ``WRONG_ENCODING``: the portal cannot write the result as JSON.
``json_500``
    500 ``ERROR_CORE``.
``dies``
    The first ``commands`` (default 1) commands of a batch are executed, then the connection closes without an answer.
    A direct call is one command.

Not executed:

``lost_before``
    The connection closes without an answer.
``reset_before``
    The connection is reset without an answer.
``rate_limited``
    503 ``QUERY_LIMIT_EXCEEDED``.
``operating_limit``
    429 ``OPERATION_TIME_LIMIT``.
``overload``
    503 ``OVERLOAD_LIMIT``.
``unauthorized``
    401 ``INVALID_CREDENTIALS``.
``expired_token``
    401 ``expired_token``.
``refused``
    403 ``ACCESS_DENIED``.
``error_200``
    200 with an error instead of the result.
``too_large``
    413 with an HTML page.
``html_404``
    404 with an HTML page.
``moved``
    302 to the same path on a host that does not exist.

Executed and answered, but unusually:

``slow``
    The answer comes ``seconds`` (default 1) later by the portal's clock, or when the portal closes.
``drip``
    The answer comes byte by byte, with ``seconds`` (default 5) by the portal's clock before each byte. It ends early
    when the portal closes, or at the next byte when the client has closed the connection.
``closes``
    The answer comes, then the connection closes without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import attrs

from b24batch.sandbox.faults import spoilt
from b24batch.sandbox.faults.acts import Act, answer, answer_only, change, delay, die, drip, move, refuse, send
from b24batch.sandbox.oauth.tokens import make_expired_token
from b24batch.sandbox.rest.operating import make_operating_refusal
from b24batch.sandbox.rest.rate import make_rate_refusal
from b24batch.sandbox.server.answers import Answer, PortalError, page, refusal
from b24batch.sandbox.server.travel import CLOSED, HUNG, RESET, Travel


@attrs.frozen
class Fault:
    """One kind of failure.

    Attributes:
        name: The name to pass to ``fail_next``.
        executed: Whether the request is executed; ``"partly"`` means only its first commands.
        answered: Whether the client gets a readable JSON answer if it waits long enough. Errors and incomplete
            answers count.
        act: The function that carries out the fault.
        seconds: The default for ``fail_next(seconds=...)``, for faults that use it.

    """

    name: str
    executed: Literal["yes", "no", "partly"]
    answered: bool
    act: Act = attrs.field(repr=False)
    seconds: float = attrs.field(default=0.0, repr=False)


_ROWS = (
    Fault("lost_after", "yes", False, send(CLOSED)),
    Fault("reset_after", "yes", False, send(RESET)),
    Fault("silent", "yes", False, send(HUNG)),
    Fault("half_headers", "yes", False, send(Travel("half_head", "close"))),
    Fault("half_headers_reset", "yes", False, send(Travel("half_head", "reset"))),
    Fault("half_body", "yes", False, send(Travel("half_body", "close"))),
    Fault("half_body_reset", "yes", False, send(Travel("half_body", "reset"))),
    Fault("half_body_unsized", "yes", False, change(spoilt.halve_unsized)),
    Fault("stall", "yes", False, send(Travel("half_body", "hang"))),
    Fault("chunked_cut", "yes", False, change(spoilt.cut_chunk)),
    Fault("chunked_garbage", "yes", False, change(spoilt.garble_chunk)),
    Fault("garbage_status", "yes", False, answer(Answer("ouch\r\n\r\n", travel=Travel("body", "close")))),
    Fault("many_headers", "yes", False, change(spoilt.add_headers)),
    Fault("garbage_gzip", "yes", False, change(spoilt.declare_gzip)),
    Fault("cut_gzip", "yes", False, change(spoilt.cut_gzip)),
    Fault("html_200", "yes", False, answer(page("Welcome"))),
    Fault("html_502", "yes", False, answer(page("502 Bad Gateway", 502))),
    Fault("html_503", "yes", False, answer(page("503 Service Temporarily Unavailable", 503))),
    Fault("empty", "yes", False, answer(Answer(""))),
    Fault("invalid_json", "yes", False, change(spoilt.truncate_json)),
    Fault("malformed_maps", "yes", True, change(spoilt.replace_maps)),
    Fault("missing_maps", "yes", True, change(spoilt.remove_maps)),
    Fault("no_result", "yes", True, change(spoilt.remove_result)),
    Fault("wrong_encoding", "yes", True, answer(refusal(PortalError("WRONG_ENCODING", "Wrong encoding", 200)))),
    Fault("json_500", "yes", True, answer(refusal(PortalError("ERROR_CORE", "SQL query error!", 500)))),
    Fault("dies", "partly", False, die),
    Fault("lost_before", "no", False, answer_only(Answer("", travel=CLOSED))),
    Fault("reset_before", "no", False, answer_only(Answer("", travel=RESET))),
    Fault("rate_limited", "no", True, refuse(make_rate_refusal())),
    Fault("operating_limit", "no", True, refuse(make_operating_refusal())),
    Fault("overload", "no", True, refuse(PortalError("OVERLOAD_LIMIT", "REST API is blocked due to overload.", 503))),
    Fault("unauthorized", "no", True, refuse(PortalError("INVALID_CREDENTIALS", "Invalid request credentials", 401))),
    Fault("expired_token", "no", True, refuse(make_expired_token())),
    Fault("refused", "no", True, refuse(PortalError("ACCESS_DENIED", "Access denied!", 403))),
    Fault("error_200", "no", True, refuse(PortalError("WRONG_REQUEST", "Wrong request", 200))),
    Fault("too_large", "no", False, answer_only(page("413 Request Entity Too Large", 413))),
    Fault("html_404", "no", False, answer_only(page("404 Not Found", 404))),
    Fault("moved", "no", False, move),
    Fault("slow", "yes", True, delay, seconds=1.0),
    Fault("drip", "yes", True, drip, seconds=5.0),
    Fault("closes", "yes", True, send(Travel("whole", "close"))),
)

#: All faults by name.
FAULTS: Mapping[str, Fault] = MappingProxyType({fault.name: fault for fault in _ROWS})
