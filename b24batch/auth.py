"""Credentials: where a portal is called, and with what secret."""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import NoReturn, Protocol, runtime_checkable
from urllib.parse import urlsplit

import attrs

from b24batch.encoding import redacted
from b24batch.errors import UsageError

_SHAPE = "a webhook URL looks like https://example.bitrix24.com/rest/1/<code>/"
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PATH = re.compile(r"(?P<base>.*/rest/(?P<user>[^/]+)/[^/]+)(?:/[^/]*)?/?")


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call this in the very expression that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __format__(self, spec: str) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; make it where it is used")


@runtime_checkable
class Auth(Protocol):
    """What a session needs of its credentials."""

    @property
    def host(self) -> str:
        """The portal's host, with its port if it has one."""

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""

    def url(self, method: str) -> Secret:
        """Return the address at which `method` is called."""

    def refresh(self) -> bool:
        """Renew an expired token; return whether a request that was refused for it may now pass."""


@attrs.frozen(eq=False, init=False, repr=False)
class Webhook:
    """An inbound webhook: a URL that holds a user's id and a secret code.

    Args:
        url: As the portal shows it, ``https://example.bitrix24.com/rest/1/<code>/``; the last slash may be missing,
            and the sample method that the portal shows behind it (``profile.json``) may be there.

    Raises:
        UsageError: When it is no such URL. The message does not repeat it, since it may hold the code.
    """

    scheme: str
    host: str
    _base: Secret

    def __init__(self, url: str | Secret) -> None:
        secret = url if isinstance(url, Secret) else Secret(url)
        del url
        parts = _parse(secret)
        if isinstance(parts, str):
            raise UsageError(f"{_SHAPE}; this one {parts}")
        self.__attrs_init__(*parts)

    def url(self, method: str) -> Secret:
        """Return the address at which `method` is called."""
        return Secret(self._base.reveal() + method)

    def refresh(self) -> bool:
        """Return False: the code of a webhook cannot be renewed."""
        return False

    def __repr__(self) -> str:
        return f"<Webhook of {getattr(self, 'host', 'nowhere')}>"


def _parse(secret: Secret) -> tuple[str, str, Secret] | str:
    """Return scheme, host and base address of a webhook URL, or what is wrong with it."""
    text: object = secret.reveal()
    if not isinstance(text, str):
        return f"is of type {type(text).__name__}"
    text = text.strip()
    if not text.isprintable() or " " in text:
        return "has a space or a control character in it"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "has a host or a port that cannot be read"
    path = _PATH.fullmatch(parts.path)
    for wrong, problem in (
        (parts.scheme not in _DEFAULT_PORTS, "does not start with https://"),
        (not parts.hostname, "has no host"),
        ("@" in parts.netloc, "has a user name before its host"),
        (parts.query or parts.fragment, "has a question mark or a # in it"),
        (path is not None and path["user"] == "api", "is one of REST version 3; b24batch speaks version 2"),
    ):
        if wrong:
            return problem
    if path is None:
        return "has no /rest/<user id>/<code>/ in it"
    host = parts.netloc.lower().removesuffix(f":{port}" if port == _DEFAULT_PORTS[parts.scheme] else "")
    return parts.scheme, host, Secret(f"{parts.scheme}://{host}{path['base']}/")


def refuse_http(auth: Auth) -> None:
    """Raise `UsageError` when the credentials would cross a network unencrypted."""
    if auth.scheme != "https" and not is_loopback(auth):
        raise UsageError(
            f"http would show the credentials for {auth.host} to the network: use https, or allow_http=True"
        )


def is_loopback(auth: Auth) -> bool:
    """Return whether the portal is on this machine."""
    hostname = urlsplit(f"//{auth.host}").hostname or ""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


class _Redaction(logging.Filter):
    """Takes webhook codes and tokens out of log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = redacted(text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


_redaction = _Redaction()


def redact_urllib3_log() -> None:
    """Keep secrets out of what urllib3 logs of its requests; once is enough for a process."""
    for module in ("connectionpool", "connection"):  # a filter sees what its own logger logs, not what others do
        logging.getLogger(f"urllib3.{module}").addFilter(_redaction)
