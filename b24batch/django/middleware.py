"""A middleware for portals that want fewer requests."""

from __future__ import annotations

import math

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from b24batch.errors import RateLimited

#: Seconds to name when nobody knows: a portal takes two requests per second.
_UNKNOWN = 1.0


class RateLimitedMiddleware(MiddlewareMixin):
    """Answers 503 with ``Retry-After`` when a `b24batch.RateLimited` leaves a view; for WSGI and ASGI."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the answer to a request that the portal's rate does not allow now; None for other exceptions."""
        del request
        if not isinstance(exception, RateLimited):
            return None
        return try_later("The portal takes no more requests at the moment.", exception.retry_after)


def try_later(reason: str, seconds: float | None) -> HttpResponse:
    """Return a 503 that names the seconds to wait, rounded up; one when nobody knows them."""
    known = seconds if seconds is not None and math.isfinite(seconds) else _UNKNOWN
    headers = {"Retry-After": str(max(1, math.ceil(known)))}
    return HttpResponse(reason, status=503, content_type="text/plain; charset=utf-8", headers=headers)
