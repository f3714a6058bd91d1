"""Elements of one call: methods that answer HTTP 200 although some of their elements failed."""

from __future__ import annotations

from collections.abc import Iterator

from b24batch.aliases import JsonValue
from b24batch.errors import AjaxError
from b24batch.redaction import Secret, mask

#: From their documentation: the first returns an object with an ``error`` for each element that failed, the second a
#: ``STATUS`` of SUCCESS, CONFLICT or ERROR.
_MANY_AT_ONCE = frozenset(["crm.item.batchimport", "crm.entity.mergebatch"])
_ERRORS = ("error", "errors")
_SUCCESS = "SUCCESS"


def find_failed_elements(method: str, result: JsonValue, secrets: tuple[Secret, ...]) -> AjaxError | None:
    """Return an error that lists the failed elements in a result, or None if there are none.

    Args:
        method: The method.
        result: Its result.
        secrets: Secrets to mask in the error.
    """
    if method.casefold() not in _MANY_AT_ONCE:
        return None
    failed = list(_find_failures(result, ""))
    if not failed:
        return None
    listed = "; ".join(f"{path or 'result'}: {code} {description}".strip() for path, code, description in failed)
    code = mask(failed[0][1], secrets)
    return AjaxError(mask(f"{len(failed)} failed: {listed}", secrets), code=code, method=method)


def _find_failures(value: JsonValue, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, code and description of each failed element."""
    if isinstance(value, dict):
        error = next((value[name] for name in _ERRORS if name in value), None)
        status = value.get("STATUS")
        if any(name in value for name in _ERRORS) and error != []:
            yield path, *_read_words(error, value)
        elif isinstance(status, str) and status.upper() != _SUCCESS:
            yield path, status, f"of {value.get('ENTITY_IDS')}"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if name not in _ERRORS:
            yield from _find_failures(item, f"{path}.{name}" if path else str(name))


def _read_words(error: JsonValue, element: dict[str, JsonValue]) -> tuple[str, str]:
    """Return code and description of an element's error, which is a string, an object, or a list of these."""
    first = error[0] if isinstance(error, list) and error else error
    if isinstance(first, dict):
        return str(first.get("code", "")), str(first.get("message", first.get("error_description", "")))
    return str(first), str(element.get("error_description", ""))
