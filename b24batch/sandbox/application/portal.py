"""What the portal does with its application: it installs it, shows it, tells it of events, and removes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b24batch.sandbox.application.state import Application
from b24batch.sandbox.oauth import forms as posts
from b24batch.sandbox.oauth.forms import Form
from b24batch.sandbox.oauth.portal import OAuthPortal
from b24batch.sandbox.php.values import JSON

if TYPE_CHECKING:
    import requests


class ApplicationPortal(OAuthPortal):
    """A portal with an application that an administrator adds, installs and removes.

    Its pages can be opened in a browser: `form_url` has the form for the addresses of an application, and leads to the
    others, which show the application in frames.
    """

    _application: Application

    @property
    def form_url(self) -> str:
        """The page on which an administrator adds the application."""
        return f"{self._oauth.origin()}/devops/edit/application/local/"

    @property
    def application_url(self) -> str:
        """The page that shows the application in a frame; until it is installed, its installation page."""
        return f"{self._oauth.origin()}/marketplace/app/1/"

    def deal_url(self, deal_id: int) -> str:
        """Return the page of a deal, with the tabs that the application has bound."""
        return f"{self._oauth.origin()}/crm/deal/details/{deal_id}/"

    def add_application(self, page_url: str, install_url: str = "") -> requests.Response | None:
        """Add the application, as an administrator does with the form at `form_url`.

        Args:
            page_url: Your handler path: the page that is opened in a frame. Empty for "Script only": then the event
                ``ONAPPINSTALL`` is posted to the `install_url` at once.
            install_url: Initial installation path: until the installation is complete, it is opened instead of the
                page.

        Returns:
            The answer to the event; None if the application has a page.

        """
        self._application.register(page_url, install_url)
        return None if page_url or not install_url else self.post_install(install_url)

    def install_page_form(self, **fields: str | int | None) -> Form:
        """Return the form with which the portal opens an installation page; ``fields`` as in `placement_form`."""
        return self.placement_form("DEFAULT", **fields)

    def post_install_page(self, url: str, /, **fields: str | int | None) -> requests.Response:
        """Post an `install_page_form` to an application, with some fields in the query, and return the answer."""
        return posts.post(url, self.install_page_form(**fields))

    def finish_install(self) -> list[requests.Response]:
        """Complete the installation, as ``BX24.installFinish()`` does, and return the answers to ``ONAPPINSTALL``."""
        self._application.is_installed = True
        return [self.post_install(url) for url in self._application.handlers.find("ONAPPINSTALL")]

    def send_event(self, event: str, data: JSON = None) -> list[requests.Response]:
        """Post an event to all addresses that are bound to it, and return their answers; none before the installation.

        Methods do not send events by themselves: after a ``crm.deal.add`` send ``ONCRMDEALADD``.
        """
        bound = self._application.handlers.find(event) if self._application.is_installed else []
        return [self.post_event(url, event.upper(), data) for url in bound]

    def remove_application(self) -> list[requests.Response]:
        """Uninstall the application and revoke its tokens, and return the answers to ``ONAPPUNINSTALL``."""
        told, form = self._application.remove(), self.uninstall_form()
        self.revoke_tokens()
        return [posts.post(url, form) for url in told]

    def uninstall_form(self, **fields: str | int | None) -> Form:
        """Return the form of the event ``ONAPPUNINSTALL``, which has no token; ``fields`` as in `placement_form`."""
        names = ("access_token", "refresh_token", "expires_in", "expires", "scope", "user_id")
        without: dict[str, str | int | None] = {f"auth[{name}]": None for name in names}
        return self.event_form("ONAPPUNINSTALL", {"LANGUAGE_ID": "en", "CLEAN": 1}, **{**without, **fields})
