"""The forms that a portal posts to an application: placements and events; see also `b24batch.oauth.installations`.

Anyone can post a form. Until the portal or the OAuth server has answered a request made with its token, a `Placement`
and an `Install` only claim to come from their portal; see `b24batch.OAuth.refresh`.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Self, Unpack

import attrs

from b24batch.aliases import JsonValue
from b24batch.clock import Clock
from b24batch.errors import AuthError
from b24batch.oauth.credentials import OAuth, OAuthOptions
from b24batch.oauth.forms import Form, FormOptions, Names, Rules
from b24batch.oauth.servers import TokenUrl
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, to_secret

_AUTH_NAMES = "access_token refresh_token expires_in domain client_endpoint server_endpoint member_id".split()
#: The fields with the token, in a placement and in an event.
PLACEMENT = Names("AUTH_ID", "REFRESH_ID", "AUTH_EXPIRES", "DOMAIN", "PROTOCOL", "SERVER_ENDPOINT", "member_id")
AUTH = Names(*map("auth[{}]".format, _AUTH_NAMES))
APPLICATION_TOKEN = "auth[application_token]"


@attrs.frozen(kw_only=True)
class UserForm:
    """A form with the token of a user."""

    token: Token
    allowed_hosts: frozenset[str] = attrs.field(default=frozenset(), repr=False)

    def oauth(
        self, client_id: str, client_secret: str | Secret, *, token_url: TokenUrl = None, clock: Clock = time
    ) -> OAuth:
        """Return the user's credentials for a `b24batch.Session`; for the arguments see `b24batch.OAuth`.

        They are kept in memory only, because anyone can post a form. The token that ``oauth(...).refresh()`` returns
        proves the portal: after an installation, store that one.
        """
        allowed = self.allowed_hosts
        return OAuth(client_id, client_secret, self.token, token_url=token_url, allowed_hosts=allowed, clock=clock)


@attrs.frozen(kw_only=True)
class Placement(UserForm):
    """A page of the application that a user opened inside the portal.

    Attributes:
        token: The user's token.
        allowed_hosts: The hosts that may lead to a private address; see `b24batch.OAuth`.
        placement: Where the page is: ``DEFAULT`` is the application's own page, ``CRM_DEAL_DETAIL_TAB`` a deal.
        options: The options of the place, such as ``{"ID": "7"}`` for a deal.
        language: The portal's language, such as ``en``.
    """

    placement: str
    options: JsonValue = attrs.field(repr=False)
    language: str

    @classmethod
    def from_form(cls, form: Mapping[str, str], **options: Unpack[FormOptions]) -> Self:
        """Read the form that a portal posted to a page.

        Args:
            form: The fields of the query and the body together: ``DOMAIN, LANG, AUTH_ID, REFRESH_ID, AUTH_EXPIRES,
                member_id, PLACEMENT, PLACEMENT_OPTIONS``.
            options: What the form may name; see `b24batch.oauth.FormOptions`.

        Raises:
            UsageError: A field is missing or invalid. The message names it.
        """
        posted = Form(form)
        del form
        rules = Rules(**options)
        return cls(
            allowed_hosts=rules.hosts,
            token=posted.read_token(PLACEMENT, rules),
            placement=posted.read_text("PLACEMENT", "DEFAULT"),
            options=posted.read_json("PLACEMENT_OPTIONS"),
            language=posted.read_text("LANG", ""),
        )


@attrs.frozen(kw_only=True)
class Event:
    """An event: something happened on the portal.

    Attributes:
        event: The name of the event, ``ONCRMDEALADD``.
        data: The data of the event, nested: ``{"FIELDS": {"ID": "7"}}``. All values are text. The repr does not show
            them, because a chat bot's events contain its tokens.
        timestamp: Unix time in seconds at which the event was created.
        member_id: The portal's id.
        token: The token of the user who caused it, without a refresh token; None if there is no user, as for an
            uninstallation.
        allowed_hosts: As in `Placement`.
    """

    event: str
    data: dict[str, JsonValue] = attrs.field(repr=False)
    timestamp: int
    member_id: str
    token: Token | None
    allowed_hosts: frozenset[str] = attrs.field(default=frozenset(), repr=False)

    @classmethod
    def from_form(
        cls, form: Mapping[str, str], *, application_token: str | Secret, **options: Unpack[FormOptions]
    ) -> Self:
        """Read the form that a portal posted to an event handler.

        Args:
            form: The fields of the body under their flat names: ``event``, ``ts``, ``data[FIELDS][ID]``,
                ``auth[application_token]`` and the other fields of ``auth``.
            application_token: The one that came with the installation. Only this proves that the event comes from
                the portal.
            options: What the form may name; see `b24batch.oauth.FormOptions`.

        Raises:
            AuthError: The form has another application token; the code is ``INVALID_APPLICATION_TOKEN``.
            UsageError: A field is missing or invalid. The message names it.
        """
        posted, expected = Form(form), to_secret(application_token, "application_token")
        del form, application_token
        rules = Rules(**options)
        if not _is_equal(posted.read_secret(APPLICATION_TOKEN), expected):
            raise AuthError("the application token is not this portal's", code="INVALID_APPLICATION_TOKEN")
        has_token = posted.has("auth[access_token]")
        return cls(
            allowed_hosts=rules.hosts,
            event=posted.read_text("event"),
            data=posted.read_nested("data"),
            timestamp=posted.read_integer("ts"),
            member_id=posted.read_text("auth[member_id]"),
            token=posted.read_token(AUTH, rules) if has_token else None,
        )

    def oauth(self, client_id: str, client_secret: str | Secret, **options: Unpack[OAuthOptions]) -> OAuth:
        """Return credentials for a `b24batch.Session`; for the arguments see `b24batch.OAuth`.

        With a `store` they are those of the installation, which can be renewed. Without one they are the user's, valid
        for an hour at most.

        Raises:
            UsageError: The event has no token, or the store has no token of this portal.
        """
        token = self.token if options.get("store") is None else None
        options.setdefault("allowed_hosts", self.allowed_hosts)
        return OAuth(client_id, client_secret, token, member_id=self.member_id, **options)


def _is_equal(given: Secret, expected: Secret) -> bool:
    # A form can contain any text, even invalid characters.
    texts = (secret.reveal().encode(errors="surrogatepass") for secret in (given, expected))
    return hmac.compare_digest(*texts)
