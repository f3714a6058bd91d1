"""The views; `get_session` is all that they need of b24batch."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from b24batch.django import get_session


def index(request: HttpRequest) -> HttpResponse:
    """Show who we are and the newest deals, by one request to the portal."""
    newest = {"order": {"ID": "DESC"}, "select": ["ID", "TITLE", "OPPORTUNITY"]}
    result = get_session().batch({"me": ("user.current",), "deals": ("crm.deal.list", newest)})
    return render(
        request,
        "index.html",
        {"me": result["me"].data, "deals": result["deals"].data, "total": result["deals"].total},
    )


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Create 120 deals, 50 by each request to the portal, and tell how many of them are there now."""
    calls = [("crm.deal.add", {"fields": {"TITLE": f"New deal {number}"}}) for number in range(1, 121)]
    result = get_session().batch_by_chunk(calls)
    if not result.is_success:
        return render(request, "errors.html", {"result": result})
    return redirect("index")
