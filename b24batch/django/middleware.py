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
        seconds = _UNKNOWN if exception.retry_after is None else exception.retry_after
        return HttpResponse(
            "The portal takes no more requests at the moment.",
            status=503,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(max(1, math.ceil(seconds)))},
        )
