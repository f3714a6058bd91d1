"""The fields of a portal's error object besides its code and description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b24batch.aliases import JsonValue

_CODE_AND_TEXT = frozenset(["error", "error_description"])
#: Fields that must not appear in a log or a pickle.
_SECRET_NAMES = frozenset(["auth", "access_token", "refresh_token", "client_secret", "application_token"])
#: The library's own limit: an error object nested more deeply could not be pickled.
_MAX_DEPTH = 50


def extra_of(fields: Mapping[str, JsonValue], mask: Callable[[str], str]) -> dict[str, JsonValue]:
    """Return every other key of an error object, with secrets masked.

    Args:
        fields: The error object.
        mask: Returns a text with its secrets masked.
    """
    return {mask(name): masked_value(value, mask, name) for name, value in fields.items() if name not in _CODE_AND_TEXT}


def masked_value(value: JsonValue, mask: Callable[[str], str], name: str = "", depth: int = 1) -> JsonValue:
    """Return a value of an answer with all texts masked, and ``***`` for every field whose name marks a secret."""
    if name.casefold() in _SECRET_NAMES or depth > _MAX_DEPTH:
        return "***"
    if isinstance(value, dict):
        return {mask(key): masked_value(item, mask, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_value(item, mask, depth=depth + 1) for item in value]
    return mask(value) if isinstance(value, str) else value
