"""What the portal knows of its application."""

from __future__ import annotations

import attrs

from b24batch.sandbox.application.bindings import Handlers, Placements


@attrs.define
class Application:
    """The portal's one application.

    Attributes:
        page_url: The address that the portal opens in a frame; empty: the application has no page.
        install_url: The address for the installation; empty: none.
        is_installed: Whether the installation is complete. Until then placements are not shown, and events not sent.
        handlers: The addresses bound to events.
        placements: The addresses bound to places.

    """

    page_url: str = ""
    install_url: str = ""
    is_installed: bool = True
    handlers: Handlers = attrs.field(factory=Handlers, init=False)
    placements: Placements = attrs.field(factory=Placements, init=False)

    def register(self, page_url: str, install_url: str) -> None:
        """Take the addresses that an administrator enters, in place of former ones."""
        self.page_url, self.install_url = page_url, install_url
        self.is_installed = not page_url or not install_url

    def remove(self) -> list[str]:
        """Forget everything, and return the addresses that are told so."""
        told = self.handlers.find("ONAPPUNINSTALL") if self.is_installed else []
        self.page_url, self.install_url, self.is_installed = "", "", False
        for bound in (self.handlers, self.placements):
            bound.clear()
        return told
