"""The setting ``B24BATCH`` as a whole: a dict whose keys are aliases, and whose values are dicts too."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from b24batch.django.keys import KEYS, find_near
from b24batch.redaction import shown

_EXPECTED = 'expected B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}'


def list_aliases() -> list[str]:
    """Return the names in ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The setting is missing or has another shape.
    """
    if problem := find_problem():
        raise ImproperlyConfigured(problem)
    return list(settings.B24BATCH)


def find_problem() -> str | None:
    """Return what is wrong with the setting as a whole."""
    if not hasattr(settings, "B24BATCH"):
        return f"B24BATCH is missing: {_EXPECTED}"
    if not isinstance(settings.B24BATCH, dict):
        return f"B24BATCH is not a dict: {_EXPECTED}"
    if not settings.B24BATCH:
        return f"B24BATCH is empty: {_EXPECTED}"
    for name in settings.B24BATCH:
        if not isinstance(name, str):
            return f"B24BATCH has an invalid alias: expected a str, got {shown(name)}"
        if name in KEYS:
            return f'put the keys under an alias: B24BATCH = {{"default": {{"{name}": ...}}}}'
    return None


def check_alias(alias: str) -> None:
    """Check that the setting has an alias.

    Raises:
        ImproperlyConfigured: The setting or the alias is missing or has another shape.
    """
    names = list_aliases()
    if alias not in names:
        near = find_near(alias, names)
        known = f"aliases: {', '.join(map(repr, names))}" + (f". Did you mean {near!r}?" if near else "")
        raise ImproperlyConfigured(f"B24BATCH[{alias!r}] is missing; {known}")
    if not isinstance(settings.B24BATCH[alias], dict):
        raise ImproperlyConfigured(f"B24BATCH[{alias!r}] is not a dict: {_EXPECTED}")
