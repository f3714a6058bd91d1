"""A page for the browser, with a webhook; `get_session` is all that it needs of b24batch."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from b24batch.django import get_session


def index(request: HttpRequest) -> HttpResponse:
    """Show who we are and the newest deals, by one request to the portal."""
    newest = {"order": {"ID": "DESC"}, "select": ["ID", "TITLE", "OPPORTUNITY"]}
    result = get_session().batch({"me": ("user.current",), "deals": ("crm.deal.list", newest)})
    shown = {"me": result["me"].data, "deals": result["deals"].data, "total": result["deals"].total}
    return render(request, "index.html", {**shown, "form_url": make_form_url(request)})


def make_form_url(request: HttpRequest) -> str:
    """Return the sandbox's form for a new application, with the addresses of this one in it."""
    if settings.SANDBOX is None:
        return ""
    paths = {"handler": "start", "install": "install"}
    addresses = {field: request.build_absolute_uri(reverse(name)) for field, name in paths.items()}
    return f"{settings.SANDBOX.form_url}?{urlencode(addresses)}"


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Create 120 deals, 50 by each request to the portal, and tell how many of them are there now."""
    calls = [("crm.deal.add", {"fields": {"TITLE": f"New deal {number}"}}) for number in range(1, 121)]
    result = get_session().batch_by_chunk(calls)
    if not result.is_success:
        return render(request, "errors.html", {"result": result})
    return redirect("index")
