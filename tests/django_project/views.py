"""Views as users write them."""

from django.http import HttpResponse, JsonResponse

from b24batch.django import event_view, get_session, install_view, placement_view, session_for
from b24batch.django.models import PortalToken

__all__ = [
    "batch",
    "by_chunk",
    "call",
    "event",
    "failing",
    "failing_placement",
    "install",
    "listing",
    "local_event",
    "placement",
    "rollback",
    "stored",
    "uninstalled",
    "webhook_event",
]


def batch(request):
    """Echo a number three times in one request to the portal."""
    n = request.GET["n"]
    return JsonResponse(get_session().batch([("echo", {"n": n, "i": str(i)}) for i in range(3)]).data, safe=False)


def by_chunk(request):
    """Echo a number six times in three requests to the portal."""
    n = request.GET["n"]
    calls = [("echo", {"n": n, "i": str(i)}) for i in range(6)]
    return JsonResponse(get_session().batch_by_chunk(calls, chunk_size=2).data, safe=False)


def listing(request):
    """Return the deals with one title."""
    params = {"filter": {"=TITLE": f"Deal {int(request.GET['n']) % 60}"}, "select": ["ID", "TITLE"]}
    pages = get_session().fetch_list("crm.deal.list", params)
    return JsonResponse([row["TITLE"] for page in pages for row in page], safe=False)


def call(request):
    """Echo a number as soon as the portal's rate allows it."""
    return JsonResponse(get_session(request.GET.get("alias", "default")).call("echo", {"n": "1"}).data)


@placement_view(alias="application")
def placement(request, session, placement):
    """Show a user the page of a deal."""
    echoed = session.call("echo", {"n": placement.options["ID"]}).data
    return JsonResponse({"deal": echoed["n"], "placement": placement.placement, "of": placement.token.member_id})


@placement_view(alias="application")
def failing_placement(request, session, placement):
    """Fail while a form is at hand."""
    form = request.POST
    raise RuntimeError(f"of {len(form)} fields")


@event_view(alias="application")
def event(request, session, event):
    """Answer an event by a call to its portal."""
    return JsonResponse(
        {"event": event.event, "deal": session.call("echo", {"n": event.data["FIELDS"]["ID"]}).data["n"]}
    )


@event_view(alias="local")
def local_event(request, session, event):
    """Answer an event of an application whose application token is in the settings."""
    return JsonResponse({"event": event.event, "n": session.call("echo", {"n": "1"}).data["n"]})


@event_view(alias="local")
def uninstalled(request, session, event):
    """Forget a portal; there is nobody to call."""
    PortalToken.objects.filter(member_id=event.member_id).delete()
    return JsonResponse({"event": event.event})


@event_view(alias="hook")
def webhook_event(request, session, event):
    """Answer an outbound webhook."""
    return JsonResponse({"event": event.event, "n": session.call("echo", {"n": "1"}).data["n"]})


@install_view(alias="application")
def install(request, session, install):
    """Greet, unless told to fail."""
    if "fail" in request.GET:
        raise RuntimeError("after the tokens are stored")
    return HttpResponse(session.call("echo", {"n": install.token.member_id}).data["n"])


def stored(request):
    """Call the portal with the stored token."""
    return JsonResponse(session_for(request.GET["member_id"], "application").call("echo", {"n": request.GET["n"]}).data)


def rollback(request):
    """Call the portal with the stored token, and lose the transaction."""
    stored(request)
    raise RuntimeError("the transaction is rolled back")


def failing(request):
    """Fail with a session and rows at hand, in the way that is asked for."""
    b24, rows = get_session(), list(PortalToken.objects.all())
    if request.GET.get("call"):
        b24.batch([(request.GET["call"], {"n": "1"})]).raise_for_errors()
    raise RuntimeError(f"with {b24} and {rows}")
