"""The form that a portal posts when an application is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, Unpack

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.oauth.forms import Form, FormOptions, Rules
from b24batch.oauth.posted import APPLICATION_TOKEN, AUTH, UserForm
from b24batch.redaction import Secret, shown


@attrs.frozen(kw_only=True)
class Install(UserForm):
    """The event ``ONAPPINSTALL``: the application was installed.

    Attributes:
        token: The token of the user who installed it. Keep it in a store.
        allowed_hosts: As in `Placement`.
        application_token: Keep it, to check every later event.
        data: ``VERSION``, ``ACTIVE``, ``INSTALLED`` and ``LANGUAGE_ID``, as text.
    """

    application_token: Secret
    data: dict[str, JsonValue] = attrs.field(repr=False)

    @classmethod
    def from_form(cls, form: Mapping[str, str], **options: Unpack[FormOptions]) -> Self:
        """Read the form that a portal posted to the installation handler.

        Args:
            form: As in `Event.from_form`.
            options: What the form may name; see `b24batch.oauth.FormOptions`.

        Raises:
            UsageError: It is another event, or a field is missing or invalid. The message names it.
        """
        posted = Form(form)
        del form
        rules = Rules(**options)
        if posted.read_text("event").upper() != "ONAPPINSTALL":
            raise UsageError(f"expected the event ONAPPINSTALL, got {shown(posted.read_text('event'))}")
        return cls(
            allowed_hosts=rules.hosts,
            token=posted.read_token(AUTH, rules),
            application_token=posted.read_secret(APPLICATION_TOKEN),
            data=posted.read_nested("data"),
        )
