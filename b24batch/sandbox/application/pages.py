"""The portal's pages: they show the application in frames, as a browser sees it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

import attrs

from b24batch.sandbox.application import markup
from b24batch.sandbox.application.portal import ApplicationPortal
from b24batch.sandbox.application.state import Application
from b24batch.sandbox.oauth.forms import Form, split
from b24batch.sandbox.php.values import JSON, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher
from b24batch.sandbox.server.answers import Answer
from b24batch.sandbox.server.incoming import Wire, read_fields, split_target

_DEAL_TAB = "CRM_DEAL_DETAIL_TAB"
_SCRIPT = {"Content-Type": "text/javascript; charset=utf-8"}


@attrs.frozen
class Pages:
    """Answers the requests of a browser."""

    portal: ApplicationPortal
    application: Application
    dispatcher: Dispatcher

    def find(self, wire: Wire) -> Callable[[], Answer] | None:
        """Return what answers a request; None if it is for no page."""
        if wire.target.startswith("/rest/"):
            return None
        path = split_target(wire)[0]
        for verb, pattern, show in _ROUTES:
            matched = re.fullmatch(pattern, path)
            if matched is not None and wire.verb == verb:
                fields = {str(name): to_text(value) for name, value in read_fields(wire).items()}
                return functools.partial(show, self, fields, *matched.groups())
        return None

    def show_library(self, fields: Mapping[str, str]) -> Answer:
        """Return the library that an application loads into its page."""
        del fields
        return Answer(markup.LIBRARY, headers=_SCRIPT)

    def show_form(self, fields: Mapping[str, str]) -> Answer:
        """Show the form of the application, with addresses from the query or those that it has."""
        handler = fields.get("handler", self.application.page_url)
        install = fields.get("install", self.application.install_url)
        return markup.make_page("Local application", markup.make_form(handler, install))

    def save_form(self, fields: Mapping[str, str]) -> Answer:
        """Add the application; one without a page is installed at once."""
        page = "" if fields.get("script_only") else fields.get("handler", "")
        answer = self.portal.add_application(page, fields.get("install", ""))
        if answer is None:
            return Answer("", 303, {"Location": self.portal.application_url})
        return markup.make_page("Local application", markup.make_text(f"Installed: {answer.status_code} {answer.text}"))

    def delete(self, fields: Mapping[str, str]) -> Answer:
        """Uninstall the application."""
        del fields
        self.portal.remove_application()
        return Answer("", 303, {"Location": self.portal.form_url})

    def show_application(self, fields: Mapping[str, str]) -> Answer:
        """Show the application's page, or the one for its installation."""
        del fields
        application = self.application
        url = application.page_url if application.is_installed else application.install_url
        frame = self._make_frame(url, self.portal.placement_form("DEFAULT")) if url else ""
        return markup.make_page("Application", frame or markup.make_text("There is no application with a page."))

    def finish(self, fields: Mapping[str, str]) -> Answer:
        """Complete the installation."""
        del fields
        self.portal.finish_install()
        return Answer("true")

    def show_deals(self, fields: Mapping[str, str]) -> Answer:
        """Show links to the newest deals."""
        del fields
        deals = self._call("crm.deal.list", {"order": {"ID": "DESC"}, "select": ["ID", "TITLE"]})
        links = [(self.portal.deal_url(int(deal["ID"])), to_text(deal["TITLE"])) for deal in deals]
        return markup.make_page("Deals", markup.make_links(links))

    def show_deal(self, fields: Mapping[str, str], deal_id: str) -> Answer:
        """Show a deal, its tabs, and the one that is open."""
        deal = self._call("crm.deal.get", {"id": deal_id})
        if not deal:
            return markup.make_page("There is no such deal", "", 404)
        tabs = self.application.placements.find(_DEAL_TAB) if self.application.is_installed else []
        opened = fields.get("tab", "")
        links = [("?", "General"), *((f"?tab={number}", tab["title"]) for number, tab in enumerate(tabs))]
        body = markup.make_text(f"Source: {to_text(deal['SOURCE_ID'])}")
        if opened.isdecimal() and int(opened) < len(tabs):
            form = self.portal.placement_form(_DEAL_TAB, {"ID": deal_id})
            body = self._make_frame(tabs[int(opened)]["handler"], form)
        return markup.make_page(to_text(deal["TITLE"]), markup.make_links(links) + body)

    def _make_frame(self, url: str, form: Form) -> str:
        address, body = split(url, form)
        name = "|".join((form["DOMAIN"], form["PROTOCOL"], form["APP_SID"]))
        return markup.make_frame(name, address, body)

    def _call(self, method: str, params: dict[JSON, JSON]) -> JSON:
        return self.dispatcher.call(method, params)[1].get("result")


_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", r"/api/v1/", Pages.show_library),
    ("GET", r"/devops/edit/application/local/", Pages.show_form),
    ("POST", r"/devops/edit/application/local/", Pages.save_form),
    ("POST", r"/devops/delete/application/1/", Pages.delete),
    ("GET", r"/marketplace/app/1/", Pages.show_application),
    ("POST", r"/marketplace/app/1/installed/", Pages.finish),
    ("GET", r"/crm/deal/", Pages.show_deals),
    ("GET", r"/crm/deal/details/([0-9]+)/", Pages.show_deal),
)
