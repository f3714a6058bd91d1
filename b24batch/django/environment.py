"""Secrets in environment variables, which ``runserver`` copies into each request and Django's debug page shows."""

from __future__ import annotations

import os

from django.core.signals import request_started

from b24batch.redaction import redact


def mask_environment() -> None:
    """From now on, mask webhook codes and tokens in the variables that a request has from this process's environment.

    Django itself masks a variable by its name; ``B24_WEBHOOK_URL`` is not one of these names.
    """
    masked = {name: redact(text) for name, text in os.environ.items() if redact(text) != text}

    def mask(environ: dict[str, object] | None = None, **signal: object) -> None:
        """Mask the variables in the environment of one request."""
        del signal
        if environ:
            environ.update((name, text) for name, text in masked.items() if name in environ)

    request_started.connect(mask, weak=False, dispatch_uid=__name__)
