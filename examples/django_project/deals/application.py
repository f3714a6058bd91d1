"""The views that a portal posts to: the application's installation, its pages, and its events."""

# ruff: noqa: ARG001 - every view has the same arguments

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from b24batch import Session
from b24batch.django import PortalToken, event_view, install_view, placement_view
from b24batch.oauth import Event, Install, Placement

#: What the application binds: the method, the place or the event, and the name of the view.
BOUND = [
    ("placement", {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "TITLE": "Example"}, "tab"),
    ("event", {"EVENT": "ONAPPINSTALL"}, "install"),
    ("event", {"EVENT": "ONAPPUNINSTALL"}, "uninstalled"),
    ("event", {"EVENT": "ONCRMDEALADD"}, "deal_added"),
]


@install_view(alias="application")
def install(request: HttpRequest, session: Session, install: Install) -> HttpResponse:
    """Bind the tab and the events, and complete the installation; called again, it does no harm."""
    calls = []
    for kind, params, view in BOUND:
        bound = {**params, "HANDLER": request.build_absolute_uri(reverse(view))}
        calls += [(f"{kind}.unbind", bound), (f"{kind}.bind", bound)]
    session.batch(calls).raise_for_errors()
    return render(request, "install.html", {"install": install})


@placement_view(alias="application")
def start(request: HttpRequest, session: Session, placement: Placement) -> HttpResponse:
    """Show the application's own page to the user who opened it."""
    return render(request, "start.html", {"me": session.call("user.current").data})


@placement_view(alias="application")
def tab(request: HttpRequest, session: Session, placement: Placement) -> HttpResponse:
    """Show the tab of a deal, and change the deal if the user has clicked the button in the tab."""
    deal_id = placement.options["ID"]
    if "source" in request.POST:
        session.call("crm.deal.update", {"id": deal_id, "fields": {"SOURCE_ID": request.POST["source"]}})
    deal = session.call("crm.deal.get", {"id": deal_id}).data
    return render(request, "tab.html", {"deal": deal, "placement": placement})


@event_view(alias="application")
def deal_added(request: HttpRequest, session: Session, event: Event) -> HttpResponse:
    """Give a new deal a source."""
    session.call("crm.deal.update", {"id": event.data["FIELDS"]["ID"], "fields": {"SOURCE_ID": "WEB"}})
    return HttpResponse()


@event_view(alias="application")
def uninstalled(request: HttpRequest, session: Session, event: Event) -> HttpResponse:
    """Forget a portal; its token is no longer valid."""
    PortalToken.objects.filter(member_id=event.member_id).delete()
    return HttpResponse()
