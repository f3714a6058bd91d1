"""What a portal's error object says beside its code and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b24batch.aliases import JsonValue

_CODE_AND_TEXT = frozenset(["error", "error_description"])
#: What nobody should read in a log or find in a pickle.
_SECRET_NAMES = frozenset(["auth", "access_token", "refresh_token", "client_secret", "application_token"])
#: Our own bound: an error object that is nested deeper could not be pickled.
_MAX_DEPTH = 50


def extra_of(fields: Mapping[str, JsonValue], mask: Callable[[str], str]) -> dict[str, JsonValue]:
    """Return every other key of an error object.

    Args:
        fields: The error object.
        mask: Returns a text without the secrets in it.
    """
    return {mask(name): masked_value(value, mask, name) for name, value in fields.items() if name not in _CODE_AND_TEXT}


def masked_value(value: JsonValue, mask: Callable[[str], str], name: str = "", depth: int = 1) -> JsonValue:
    """Return a value of an answer with all its texts masked, and nothing under a name that secrets have."""
    if name.casefold() in _SECRET_NAMES or depth > _MAX_DEPTH:
        return "***"
    if isinstance(value, dict):
        return {mask(key): masked_value(item, mask, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_value(item, mask, depth=depth + 1) for item in value]
    return mask(value) if isinstance(value, str) else value
