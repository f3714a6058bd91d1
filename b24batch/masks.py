"""Masks: what came from outside, without the secrets that it may repeat."""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote

from b24batch.auth import Secret
from b24batch.encoding import redacted

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
