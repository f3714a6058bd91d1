"""The fields of a portal's error object besides its code and description."""

from __future__ import annotations

from collections.abc import Mapping

from b24batch.aliases import JsonValue
from b24batch.redaction import Secret, mask

_CODE_AND_TEXT = frozenset(["error", "error_description"])
#: Fields that must not appear in a log or a pickle.
_SECRET_NAMES = frozenset(["auth", "access_token", "refresh_token", "client_secret", "application_token"])
#: The library's own limit: an error object nested more deeply could not be pickled.
_MAX_DEPTH = 50


def read_extra(fields: Mapping[str, JsonValue], secrets: tuple[Secret, ...]) -> dict[str, JsonValue]:
    """Return every other key of an error object, with secrets masked."""
    others = {name: value for name, value in fields.items() if name not in _CODE_AND_TEXT}
    return {mask(name, secrets): mask_value(value, secrets, name) for name, value in others.items()}


def mask_value(value: JsonValue, secrets: tuple[Secret, ...], name: str = "", depth: int = 1) -> JsonValue:
    """Return a value of an answer with all texts masked, and ``***`` for every field whose name marks a secret."""
    if name.casefold() in _SECRET_NAMES or depth > _MAX_DEPTH:
        return "***"
    if isinstance(value, dict):
        return {mask(key, secrets): mask_value(item, secrets, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_value(item, secrets, depth=depth + 1) for item in value]
    return mask(value, secrets) if isinstance(value, str) else value
