"""The forms that a portal posts when an application is installed: one for a page, one from the portal itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, Unpack

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.oauth.forms import Form, FormOptions, Rules
from b24batch.oauth.posted import APPLICATION_TOKEN, AUTH, PLACEMENT, UserForm
from b24batch.redaction import Secret, shown

#: The events with an application token and a refresh token. An update changes the application token.
_EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE")


@attrs.frozen(kw_only=True)
class Install(UserForm):
    """The application was installed, or is being installed by the administrator who looks at its page.

    An application with a page is installed in three steps. The portal opens the page in a frame, by a form that is no
    event. The page calls ``BX24.installFinish()``. Then the portal posts the event ``ONAPPINSTALL`` with the
    application token, if it was bound. An application without a page gets only this event.

    Attributes:
        token: The token of the user who installed it. Keep it in a store.
        allowed_hosts: As in `Placement`.
        event: ``ONAPPINSTALL``, ``ONAPPUPDATE`` after an update, or None: the answer is shown to the user in a frame.
        application_token: Keep it, to check every later event. None for a page, unless the portal is one of those that
            post it (``APPLICATION_TOKEN``) to pages too.
        data: ``VERSION``, ``ACTIVE``, ``INSTALLED`` and ``LANGUAGE_ID``, as text; empty for a page.
        language: The portal's language, such as ``en``.
    """

    event: str | None
    application_token: Secret | None
    data: dict[str, JsonValue] = attrs.field(repr=False)
    language: str

    @classmethod
    def from_form(cls, form: Mapping[str, str], **options: Unpack[FormOptions]) -> Self:
        """Read the form that a portal posted to the installation handler, or to the installation page.

        Args:
            form: The fields of the query and the body together, as in `Event.from_form` or `Placement.from_form`.
            options: What the form may name; see `b24batch.oauth.FormOptions`.

        Raises:
            UsageError: It is another event or placement, or a field is missing or invalid. The message names it.
        """
        posted = Form(form)
        del form
        rules = Rules(**options)
        return cls(**(_read_page if posted.has(PLACEMENT.access) else _read_event)(posted, rules))


def _read_page(posted: Form, rules: Rules) -> dict[str, Any]:
    placement = posted.read_text("PLACEMENT", "DEFAULT")
    if placement != "DEFAULT":
        raise UsageError(f"PLACEMENT: expected DEFAULT, the application's own page, got {shown(placement)}")
    return {
        "allowed_hosts": rules.hosts,
        "token": posted.read_token(PLACEMENT, rules),
        "event": None,
        "application_token": posted.read_secret("APPLICATION_TOKEN") if posted.has("APPLICATION_TOKEN") else None,
        "data": {},
        "language": posted.read_text("LANG", ""),
    }


def _read_event(posted: Form, rules: Rules) -> dict[str, Any]:
    if not posted.has("event"):
        raise UsageError(f"the form has no event, and no {PLACEMENT.access} as that of a page has")
    event = posted.read_text("event").upper()
    if event not in _EVENTS:
        raise UsageError(f"expected the event {' or '.join(_EVENTS)}, got {shown(event)}")
    return {
        "allowed_hosts": rules.hosts,
        "token": posted.read_token(AUTH, rules),
        "event": event,
        "application_token": posted.read_secret(APPLICATION_TOKEN),
        "data": posted.read_nested("data"),
        "language": posted.read_text("data[LANGUAGE_ID]", ""),
    }
