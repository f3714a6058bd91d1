"""A portal as an application with OAuth 2.0 sees it."""

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
    """Its one application, the tokens of that, and what the portal posts to it.

    Attributes:
        client_id: The id of the application; the same in every portal of the sandbox.
        client_secret: Its secret.
        application_token: The text by which it knows the events of this portal.
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
        """The address below which methods are called with a token."""
        return f"{self._oauth.origin()}/rest/"

    @property
    def token_url(self) -> str:
        """The address at which tokens are given out, for a code or a refresh token, to GET and POST."""
        return f"{self._oauth.origin()}/oauth/token/"

    @property
    def token_requests(self) -> list[TokenRequest]:
        """Every request to `token_url`, in order; they are not among ``requests``."""
        return self._oauth.journal.token_requests

    @property
    def redirect_uri(self) -> str | None:
        """Where ``/oauth/authorize/`` sends a user back to, with a code; by default None, which is nowhere."""
        return self._oauth.redirect_uri

    @redirect_uri.setter
    def redirect_uri(self, uri: str | None) -> None:
        self._oauth.redirect_uri = uri

    def issue_token(self, expires_in: int = ACCESS_LIFE) -> dict[str, JSON]:
        """Return a new pair of tokens as `token_url` answers it to a refresh token.

        Args:
            expires_in: Seconds by the portal's clock in which the access token is good.

        """
        return self._oauth.issue(expires_in)

    def issue_code(self) -> str:
        """Return an authorization code, good once and for 30 seconds by the portal's clock."""
        return self._oauth.tokens.issue_code()

    def revoke_tokens(self) -> None:
        """Forget all tokens and codes so far: they become unknown, not expired."""
        self._oauth.tokens.revoke()

    def oauth(self, **options: Unpack[OAuthOptions]) -> OAuth:
        """Return credentials with a new pair of tokens, for ``session(...)``.

        Args:
            options: Those of `b24batch.oauth.credentials.OAuth`; ``clock`` is the portal's own if that was given to it.

        """
        from b24batch.oauth.credentials import OAuth
        from b24batch.oauth.tokens import Token

        if self._given_clock is not None:
            options.setdefault("clock", self._given_clock)
        options.setdefault("token_url", self.token_url)
        issued = self.issue_token()
        names = ("access_token", "refresh_token", "client_endpoint", "member_id")
        token = Token(expires=float(issued["expires"]), **{name: issued[name] for name in names})
        return OAuth(self.client_id, self.client_secret, token, **options)

    def placement_form(
        self, placement: str = "CRM_DEAL_DETAIL_TAB", options: JSON = None, **fields: str | int | None
    ) -> Form:
        """Return what the portal posts when a user opens the application in a placement.

        Args:
            placement: The code of the place.
            options: What the place tells about itself, such as ``{"ID": "7"}``; sent as JSON, not sent when empty.
            fields: Single fields to replace, or to leave out with None.

        """
        return posts.changed(posts.placement(self.issue_token(), placement, options), fields)

    def install_form(self, **fields: str | int | None) -> Form:
        """Return the event ``ONAPPINSTALL``, the one that brings a refresh token; ``fields`` as everywhere."""
        data = {"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}
        return posts.changed(posts.event(self.issue_token(), "ONAPPINSTALL", data), fields)

    def event_form(self, event: str, data: JSON = None, **fields: str | int | None) -> Form:
        """Return an event; nested ``data`` becomes fields such as ``data[FIELDS][ID]``.

        There is an access token in it, and no refresh token.
        """
        form = posts.event(self.issue_token(), event, data)
        return posts.changed(form, {"auth[refresh_token]": None, **fields})

    def post_placement(
        self, url: str, /, placement: str = "CRM_DEAL_DETAIL_TAB", options: JSON = None, **fields: str | int | None
    ) -> requests.Response:
        """Post a `placement_form` to an application, some fields of it in the query, and return the answer."""
        return posts.post(url, self.placement_form(placement, options, **fields))

    def post_install(self, url: str, /, **fields: str | int | None) -> requests.Response:
        """Post an `install_form` to an application, and return the answer."""
        return posts.post(url, self.install_form(**fields))

    def post_event(self, url: str, /, event: str, data: JSON = None, **fields: str | int | None) -> requests.Response:
        """Post an `event_form` to an application, and return the answer."""
        return posts.post(url, self.event_form(event, data, **fields))
