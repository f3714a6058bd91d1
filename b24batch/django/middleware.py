"""A middleware that answers 503 when the rate limit is reached, and shows errors in frames."""

from __future__ import annotations

import math

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from b24batch.errors import RateLimited

#: Seconds for ``Retry-After`` if the wait is unknown: a portal accepts two requests per second.
_UNKNOWN = 1.0
#: The attribute of a request whose view is one for frames.
IN_FRAME = "b24batch_in_frame"


class RateLimitedMiddleware(MiddlewareMixin):
    """Answers 503 with ``Retry-After`` if a view raises `b24batch.RateLimited`; for WSGI and ASGI.

    If a view of `placement_view` or `install_view` raises, the error's page may be shown in the portal's frame. For
    that it must be below Django's ``XFrameOptionsMiddleware`` in the setting ``MIDDLEWARE``.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return a 503 for a `b24batch.RateLimited`; None for other exceptions."""
        del request
        if not isinstance(exception, RateLimited):
            return None
        return try_later("The portal accepts no more requests at the moment.", exception.retry_after)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Exempt the response from ``X-Frame-Options`` if its view is one for frames."""
        if getattr(request, IN_FRAME, False):
            response.xframe_options_exempt = True
        return response


def try_later(reason: str, seconds: float | None) -> HttpResponse:
    """Return a 503 whose ``Retry-After`` has the seconds rounded up; 1 if they are unknown."""
    known = seconds if seconds is not None and math.isfinite(seconds) else _UNKNOWN
    headers = {"Retry-After": str(max(1, math.ceil(known)))}
    return HttpResponse(reason, status=503, content_type="text/plain; charset=utf-8", headers=headers)
