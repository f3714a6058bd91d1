"""Masks: what came from outside, without the secrets that it may repeat."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

from b24batch.calls.values import redacted
from b24batch.wire.auth import Secret

#: Shorter texts are no secrets: they stand in every other sentence, and a mask would only show where.
_SHORTEST = 4
#: Texts up to this are masked where they stand as a word; a portal's codes and tokens have 16 characters and more.
_SHORT = 8


def masked(text: str, secrets: tuple[Secret, ...]) -> str:
    """Return a text of an answer without `secrets`, in plain or in percents, and without what looks like others."""
    return redacted(_pattern(secrets).sub("***", text)) if text else text


@functools.lru_cache(maxsize=64)
def _pattern(secrets: tuple[Secret, ...]) -> re.Pattern[str]:
    forms = {form for secret in secrets for form in _forms(secret.reveal())}
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(longest_first) or r"(?!)", re.IGNORECASE)


def _forms(secret: str) -> Iterator[str]:
    for form in (secret, unquote(secret), quote(secret, safe=""), secret.replace("/", r"\/")):
        if len(form) >= _SHORTEST:
            yield re.escape(form) if len(form) > _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
