"""The portal's OAuth 2.0 application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from b24batch.sandbox.clocks import Clock
from b24batch.sandbox.journal import TokenRequest
from b24batch.sandbox.oauth import forms as posts
from b24batch.sandbox.oauth.forms import Form
from b24batch.sandbox.oauth.server import OAuthServer
from b24batch.sandbox.oauth.tokens import ACCESS_LIFE, APPLICATION_TOKEN, CLIENT_ID, CLIENT_SECRET, MEMBER_ID
from b24batch.sandbox.php.values import JSON

if TYPE_CHECKING:
    import requests

    from b24batch.oauth.credentials import OAuth, OAuthOptions


class OAuthPortal:
    """The portal's one application: its tokens, and the forms that the portal posts to it.

    Attributes:
        client_id: The id of the application; the same in every sandbox portal.
        client_secret: The secret of the application.
        application_token: The token that identifies the events of this portal.
        member_id: The id of the portal.

    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET
    application_token = APPLICATION_TOKEN
    member_id = MEMBER_ID

    _given_clock: Clock | None
    _oauth: OAuthServer

    @property
    def client_endpoint(self) -> str:
        """The base address for calls with a token."""
        return f"{self._oauth.origin()}/rest/"

    @property
    def token_url(self) -> str:
        """The address that returns tokens for a code or a refresh token, by GET or POST."""
        return f"{self._oauth.origin()}/oauth/token/"

    @property
    def token_urls(self) -> dict[str, str]:
        """Where the portal answers for each of Bitrix24's OAuth servers, by their hosts; pass it as ``token_url``."""
        return self._oauth.token_urls

    @property
    def separate_servers(self) -> bool:
        """Whether the OAuth server of the other region refuses the tokens; default False. Bitrix24 does not say."""
        return self._oauth.separate

    @separate_servers.setter
    def separate_servers(self, separate: bool) -> None:
        self._oauth.separate = separate

    @property
    def token_requests(self) -> list[TokenRequest]:
        """All requests to `token_url`, in order; ``requests`` does not include them."""
        return self._oauth.journal.token_requests

    @property
    def redirect_uri(self) -> str | None:
        """The address to which ``/oauth/authorize/`` redirects a user with a code; default None, no redirect."""
        return self._oauth.redirect_uri

    @redirect_uri.setter
    def redirect_uri(self, uri: str | None) -> None:
        self._oauth.redirect_uri = uri

    def issue_token(self, expires_in: int = ACCESS_LIFE) -> dict[str, JSON]:
        """Return a new pair of tokens, in the form in which `token_url` answers a refresh token.

        Args:
            expires_in: The lifetime of the access token in seconds, by the portal's clock.

        """
        return self._oauth.issue(expires_in)

    def issue_code(self) -> str:
        """Return an authorization code, valid once and for 30 seconds by the portal's clock."""
        return self._oauth.tokens.issue_code()

    def revoke_tokens(self) -> None:
        """Revoke all tokens and codes issued so far: they become unknown, not expired."""
        self._oauth.tokens.revoke()

    def oauth(self, **options: Unpack[OAuthOptions]) -> OAuth:
        """Return credentials with a new pair of tokens, for ``session(...)``.

        Args:
            options: Options of `b24batch.oauth.credentials.OAuth`; ``clock`` is the one passed to the portal, if any.

        """
        from b24batch.oauth.credentials import OAuth
        from b24batch.oauth.tokens import Token

        if self._given_clock is not None:
            options.setdefault("clock", self._given_clock)
        options.setdefault("token_url", self.token_url if self._oauth.region is None else self.token_urls)
        issued = self.issue_token()
        names = ("access_token", "refresh_token", "client_endpoint", "member_id", "server_endpoint")
        token = Token(expires=float(issued["expires"]), **{name: issued[name] for name in names})
        return OAuth(self.client_id, self.client_secret, token, **options)

    def placement_form(
        self, placement: str = "CRM_DEAL_DETAIL_TAB", options: JSON = None, **fields: str | int | None
    ) -> Form:
        """Return the form that the portal posts when a user opens the application in a placement.

        Args:
            placement: The code of the placement.
            options: The placement's options, such as ``{"ID": "7"}``; sent as JSON, omitted if empty.
            fields: Single fields to replace; None omits a field.

        """
        return posts.replace_fields(posts.make_placement(self.issue_token(), placement, options), fields)

    def install_form(self, **fields: str | int | None) -> Form:
        """Return the form of the event ``ONAPPINSTALL``, with a refresh token; ``fields`` as in `placement_form`."""
        data = {"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}
        return posts.replace_fields(posts.make_event(self.issue_token(), "ONAPPINSTALL", data), fields)

    def event_form(self, event: str, data: JSON = None, **fields: str | int | None) -> Form:
        """Return the form of an event; nested ``data`` becomes fields such as ``data[FIELDS][ID]``.

        It has an access token, but no refresh token.
        """
        form = posts.make_event(self.issue_token(), event, data)
        return posts.replace_fields(form, {"auth[refresh_token]": None, **fields})

    def post_placement(
        self, url: str, /, placement: str = "CRM_DEAL_DETAIL_TAB", options: JSON = None, **fields: str | int | None
    ) -> requests.Response:
        """Post a `placement_form` to an application, with some fields in the query, and return the answer."""
        return posts.post(url, self.placement_form(placement, options, **fields))

    def post_install(self, url: str, /, **fields: str | int | None) -> requests.Response:
        """Post an `install_form` to an application, and return the answer."""
        return posts.post(url, self.install_form(**fields))

    def post_event(self, url: str, /, event: str, data: JSON = None, **fields: str | int | None) -> requests.Response:
        """Post an `event_form` to an application, and return the answer."""
        return posts.post(url, self.event_form(event, data, **fields))
