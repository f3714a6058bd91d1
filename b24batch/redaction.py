"""Keeps secrets out of messages and logs, and frames that explain nothing out of tracebacks."""

from __future__ import annotations

import functools
import logging
import re
from traceback import walk_tb
from typing import NoReturn
from urllib.parse import unquote

from b24batch.errors import SdkError, UsageError

#: Shorter texts are not masked: they occur in ordinary words, and the mask would reveal them.
_SHORTEST = 4
#: Texts up to this length are masked only as whole words; a portal's codes and tokens have 16 or more characters.
_SHORT = 8
#: Packages whose frames lie between a caller's line and the reason of an exception; that of the retries adds itself.
INNER = set("b24batch requests urllib3 http ssl socket threading queue concurrent tqdm".split())


def mask(text: str, secrets: tuple[Secret, ...]) -> str:
    """Return `text` with `secrets` masked, however they are encoded, and anything that looks like a secret."""
    return redact(_compile_pattern(secrets).sub("***", text)) if text else text


@functools.lru_cache(maxsize=64)
def _compile_pattern(secrets: tuple[Secret, ...]) -> re.Pattern[str]:
    texts = {text for secret in secrets for text in (secret.reveal(), unquote(secret.reveal()))}
    longest_first = sorted(filter(_is_long, texts), key=len, reverse=True)
    return re.compile("|".join(map(_escape, longest_first)) or r"(?!)", re.IGNORECASE)


def _is_long(text: str) -> bool:
    return len(text) >= _SHORTEST


def _escape(text: str) -> str:
    form = "".join(map(_escape_character, text))
    return form if len(text) > _SHORT else rf"(?<!\w){form}(?!\w)"


def _escape_character(character: str) -> str:
    """Return the pattern of a character: plain, percent-encoded, or escaped as a slash is in JSON."""
    cases = (character, character.lower(), character.upper())
    percents = {"".join(f"%{byte:02x}" for byte in case.encode(errors="surrogatepass")) for case in cases}
    slash = [r"\\/"] if character == "/" else []
    return f"(?:{'|'.join([re.escape(character), *slash, *sorted(percents)])})"


#: Webhooks, links to files, parameters of either, and passwords of Redis and of proxies.
_SECRETS = (
    r"""(?i)(/rest/[^/\s"'?]+/|/docs/pub/|"GET /~|://[^/\s"'?#@:]*:(?=[^/\s"'?]*@)|"""
    r"""\b(?:auth|access_token|refresh_token|client_secret|code|token|hash|sign|signature|password)=)[^/\s"'?&]+"""
)


def redact(text: str) -> str:
    """Return `text` with webhook codes and tokens masked."""
    return re.sub(_SECRETS, r"\1***", text)


def shown(value: object) -> str:
    """Return `value` for an error message: redacted, at most 80 characters, even if its repr fails."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    text = redact(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Secret:
    """A string whose repr and text hide it; `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Use it directly in the expression that needs it, and do not store it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __format__(self, spec: str) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Secret; create it where it is used")


class _Redaction(logging.Filter):
    """Masks webhook codes and tokens in log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message of a record, and keep the record."""
        text = record.getMessage()
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


_redaction = _Redaction()


#: All modules of urllib3 that log.
_URLLIB3_LOGGERS = """
    connection connectionpool contrib.emscripten.response contrib.pyopenssl http2.connection poolmanager response
    util.retry
""".split()


def redact_urllib3_log() -> None:
    """Mask secrets in the log of urllib3. Once per process is enough."""
    for module in _URLLIB3_LOGGERS:  # a filter does not apply to child loggers
        logging.getLogger(f"urllib3.{module}").addFilter(_redaction)


def to_secret(value: object, what: str = "client_secret") -> Secret:
    """Return `value` as a `Secret`; raise `UsageError`, without showing it, if it is not a string or is empty."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        given = "an empty one" if value == "" else type(value).__name__
        raise UsageError(f"{what}: expected a string that is not empty, got {given}")
    return Secret(value)


def hide_frames(error: BaseException) -> bool:
    """Mark the library's frames in the traceback of an exception, so that IPython and pytest leave them out.

    The traceback of a fault, which is an exception of another class raised inside the library, remains as it is.

    Returns:
        Whether all frames may be dropped, since only the library and its connection are among them.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    inner = [frame for frame in frames if str(frame.f_globals.get("__name__")).partition(".")[0] in INNER]
    if isinstance(error, Exception) and not isinstance(error, SdkError) and frames[-1:] == inner[-1:]:
        return False
    for frame in inner:
        frame.f_locals["__tracebackhide__"] = True  # the mapping keeps a name that the frame's code does not have
    return frames == inner


def drop_frames(error: BaseException) -> list[BaseException]:
    """Return an exception, to be raised at the end of the function that caught it, if a caller needs no frame below.

    It is in a list, as a variable would make a cycle of exception and frame. The list is empty if the exception is to
    be raised as it is: a callback of the user is in its traceback, or it is a fault.
    """
    return [error.with_traceback(None)] if hide_frames(error) or isinstance(error, UsageError) else []


def put_aside(error: BaseException, stopped: list[BaseException | None]) -> bool:
    """Put an exception that a generator has caught into `stopped`, from where a `Stream` raises it without a frame.

    Returns:
        Whether it was put there. If not, it is to be raised as it is: the generator is being closed, a callback of the
        user is in its traceback, or it is a fault.
    """
    if not hide_frames(error) or isinstance(error, GeneratorExit):
        return False
    stopped.append(error.with_traceback(None))
    return True
