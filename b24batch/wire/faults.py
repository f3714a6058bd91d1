"""Faults: what an exception raised below requests means, and which exceptions are not network errors at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import HTTPError, LocationValueError

from b24batch.errors import AnswerLost, NotSent, TransportError
from b24batch.wire.delivery import Delivery
from b24batch.wire.peers import PrivateAddress

#: Modules that raise network exceptions: those that a request passes through, and their replacements.
_NETWORK = frozenset(
    """
    b24batch requests urllib urllib3 http ssl socket _socket select selectors email encodings codecs idna zlib gzip
    zstandard brotli brotlicffi compression OpenSSL socks gevent eventlet dns queue redis valkey
    """.split()
)
_CHAIN = 10
#: Which address it is stays unsaid: whoever posted the form may read this, and would learn names of your network.
_PRIVATE = (
    "the request was not sent: the host came from a form, and leads to an address that is not public; "
    "if that is a portal of your own, name its host in allowed_hosts=, in Django in ALLOWED_PORTALS"
)


def find_foreign_exception(
    error: BaseException,
    outer: BaseException | None = None,
    own: tuple[type[BaseException], ...] = (requests.RequestException, HTTPError),
) -> BaseException | None:
    """Return the exception behind `error` that other code raised, such as a signal handler; None if there is none.

    Args:
        error: The exception that requests raised.
        outer: The exception that was being handled before the request began; it is ignored.
        own: The classes of exceptions that only the library below raises.
    """
    for cause in _walk_chain(error, outer):
        if not isinstance(cause, own) and _find_module(cause) not in _NETWORK:
            return cause
    return None


def make_transport_error(error: BaseException, delivery: Delivery, http_status: int | None = None) -> TransportError:
    """Return what `error` means for a request; its own text is omitted, since it may contain the address.

    Args:
        error: A network exception, raised below requests.
        delivery: The delivery of the request.
        http_status: The status of the answer, if one arrived.
    """
    causes = ", ".join([type(error).__name__, *_list_causes(error)])
    if isinstance(error, InvalidURL | MissingSchema | InvalidSchema | LocationValueError):
        return NotSent(f"the address of the portal or the proxy is invalid: {causes}", code="BAD_ADDRESS")
    if any(isinstance(cause, PrivateAddress) for cause in _walk_chain(error)):
        return NotSent(_PRIVATE, code="PRIVATE_ADDRESS")
    if delivery.sent:
        late = f"the answer took more than {delivery.deadline:g} s" if delivery.is_late else "the answer was lost"
        return AnswerLost(f"{late}: {causes}", http_status=http_status)
    # requests raises a plain OSError if the CA bundle does not exist.
    if type(error) is OSError or any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _walk_chain(error)):
        return NotSent(f"the certificate is not trusted or could not be verified: {causes}", code="BAD_CERTIFICATE")
    return NotSent(f"the request was not sent: {causes}")


def _walk_chain(error: BaseException, outer: BaseException | None = None) -> Iterator[BaseException]:
    inner: object = error
    for _ in range(_CHAIN):
        if not isinstance(inner, BaseException) or inner is outer:
            return
        yield inner
        behind = (getattr(inner, "reason", None), *inner.args, inner.__cause__, inner.__context__)
        inner = next((part for part in behind if isinstance(part, BaseException)), None)


def _find_module(error: BaseException) -> str:
    """Return the top-level module that raised an exception; one that was never raised counts as the network's."""
    trace = error.__traceback__
    if trace is None:
        return "b24batch"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _list_causes(error: BaseException) -> list[str]:
    """Return the messages of the operating system or the proxy, which never contain the address."""
    said = (cause.strerror or _read_proxy_error(cause) for cause in _walk_chain(error) if isinstance(cause, OSError))
    return [text for text in said if text]


def _read_proxy_error(error: OSError) -> str:
    """Return http.client's message if a proxy refuses a tunnel; it contains the status and no address."""
    text = str(error.args[0]) if error.args else ""
    if not text.startswith("Tunnel connection failed: "):
        return ""
    auth = ": the proxy requires a user name and a password" if text.startswith("Tunnel connection failed: 407") else ""
    return f"the proxy refused the connection ({text.removeprefix('Tunnel connection failed: ')[:80]}){auth}"
