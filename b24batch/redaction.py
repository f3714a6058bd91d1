"""What may be shown: secrets that hide themselves, masks for what came from outside, and the filter of the log."""

from __future__ import annotations

import functools
import logging
import re
from typing import NoReturn
from urllib.parse import unquote

from b24batch.errors import UsageError

#: Shorter texts are no secrets: they stand in every other sentence, and a mask would only show where.
_SHORTEST = 4
#: Texts up to this are masked where they stand as a word; a portal's codes and tokens have 16 characters and more.
_SHORT = 8


def masked(text: str, secrets: tuple[Secret, ...]) -> str:
    """Return a text of an answer without `secrets`, however they are spelt, and without what looks like others."""
    return redacted(_pattern(secrets).sub("***", text)) if text else text


@functools.lru_cache(maxsize=64)
def _pattern(secrets: tuple[Secret, ...]) -> re.Pattern[str]:
    texts = {text for secret in secrets for text in (secret.reveal(), unquote(secret.reveal()))}
    longest_first = sorted(filter(_is_long, texts), key=len, reverse=True)
    return re.compile("|".join(map(_form, longest_first)) or r"(?!)", re.IGNORECASE)


def _is_long(text: str) -> bool:
    return len(text) >= _SHORTEST


def _form(text: str) -> str:
    form = "".join(map(_character, text))
    return form if len(text) > _SHORT else rf"(?<!\w){form}(?!\w)"


def _character(character: str) -> str:
    """Return the pattern of a character: in plain, in percents, or behind a backslash as JSON has a slash."""
    cases = (character, character.lower(), character.upper())
    percents = {"".join(f"%{byte:02x}" for byte in case.encode(errors="surrogatepass")) for case in cases}
    slash = [r"\\/"] if character == "/" else []
    return f"(?:{'|'.join([re.escape(character), *slash, *sorted(percents)])})"


_SECRETS = r"""(?i)(/rest/[^/\s"'?]+/|\b(?:auth|access_token|refresh_token|client_secret|code)=)[^/\s"'?&]+"""


def redacted(text: str) -> str:
    """Return `text` without the webhook codes and tokens in it."""
    return re.sub(_SECRETS, r"\1***", text)


def shown(value: object) -> str:
    """Return `value` as an error message shows it: at most 80 characters, whatever its repr does."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    text = redacted(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; make it where it is used")


class _Redaction(logging.Filter):
    """Takes webhook codes and tokens out of log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = redacted(text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


_redaction = _Redaction()


#: Every module of urllib3 that logs.
_URLLIB3_LOGGERS = """
    connection connectionpool contrib.emscripten.response contrib.pyopenssl http2.connection poolmanager response
    util.retry
""".split()


def redact_urllib3_log() -> None:
    """Keep secrets out of what urllib3 logs of its requests; once is enough for a process."""
    for module in _URLLIB3_LOGGERS:  # a filter sees what its own logger logs, not what others do
        logging.getLogger(f"urllib3.{module}").addFilter(_redaction)


def to_secret(value: object, what: str = "a client_secret") -> Secret:
    """Return a secret text wrapped, and refuse what is none without showing it."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        given = "empty" if value == "" else f"of type {type(value).__name__}"
        raise UsageError(f"{what} is text, and not empty; this one is {given}")
    return Secret(value)
