"""The sandbox's side of an application: bindings, installations, events, and the pages that a browser sees."""

import http.server
import re
import threading
from html import unescape
from urllib.parse import parse_qsl

import pytest
import requests


@pytest.fixture
def application():
    """An application that keeps what is posted to it; the value is its address and the forms."""
    forms = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            forms.append((path, dict(parse_qsl(query)), dict(parse_qsl(body))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<b>done</b>")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", forms
        server.shutdown()
        thread.join()


@pytest.fixture
def browser():
    with requests.Session() as browser:
        browser.trust_env = False
        yield browser


def posted(page):
    """Return the address and the fields that a page of the portal posts into its frame."""
    action = unescape(re.search(r'<form method="post" action="([^"]*)" target', page)[1])
    return action, {
        unescape(name): unescape(text) for name, text in re.findall(r'name="([^"]*)" value="([^"]*)"', page)
    }


def bind(b24, address):
    tab = {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": f"{address}/tab", "TITLE": "A <tab>"}
    events = ("ONAPPINSTALL", "ONAPPUNINSTALL", "ONCRMDEALADD")
    bound = [("event.bind", {"EVENT": event, "HANDLER": f"{address}/{event}"}) for event in events]
    b24.batch([("placement.bind", tab), *bound]).raise_for_errors()


def test_placements(b24):
    """A placement is bound once to an address, and unbound by its address or as a whole."""
    bound = {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": "https://example.com/tab", "TITLE": "Tab"}
    assert b24.call("placement.bind", bound).data is True
    again = b24.batch([("placement.bind", bound), ("placement.bind", {"PLACEMENT": "X"})], halt_on_error=False)
    assert [error.code for error in again.errors.values()] == ["ERROR_CORE", "ERROR_ARGUMENT"]
    row = b24.call("placement.get").data[0]
    assert (row["placement"], row["handler"], row["title"]) == tuple(bound.values())
    assert b24.call("placement.unbind", {**bound, "HANDLER": "https://example.com/"}).data == {"count": 0}
    assert b24.call("placement.unbind", {"PLACEMENT": "CRM_DEAL_DETAIL_TAB"}).data == {"count": 2}
    assert b24.call("placement.get").data == []


def test_an_application_without_a_page(portal, application):
    """An application without a page gets ONAPPINSTALL at once, with a refresh token and the application token."""
    address, forms = application
    assert portal.add_application("", f"{address}/install").status_code == 200
    [(path, query, form)] = forms
    assert (path, query, form["event"]) == ("/install", {}, "ONAPPINSTALL")
    assert {"auth[refresh_token]", "auth[application_token]"} <= set(form)


def test_an_application_with_a_page(portal, b24, application):
    """Until installFinish is called no event is sent; then ONAPPINSTALL goes to whoever bound it."""
    address, forms = application
    assert portal.add_application(f"{address}/page", f"{address}/install") is None
    bind(b24, address)
    assert b24.call("app.info").data["INSTALLED"] is False
    assert (portal.send_event("ONCRMDEALADD"), forms) == ([], [])
    assert [answer.status_code for answer in portal.finish_install()] == [200]
    assert b24.call("app.info").data["INSTALLED"] is True
    assert [answer.status_code for answer in portal.send_event("onCrmDealAdd", {"FIELDS": {"ID": 7}})] == [200]
    assert [path for path, *_ in forms] == ["/ONAPPINSTALL", "/ONCRMDEALADD"]
    assert "auth[refresh_token]" in forms[0][2]
    assert "auth[refresh_token]" not in forms[1][2]


def test_an_uninstallation(portal, b24, application):
    """ONAPPUNINSTALL has no token but the application's; tokens are revoked, and nothing stays bound."""
    address, forms = application
    token = portal.issue_token()["access_token"]
    bind(b24, address)
    assert [answer.status_code for answer in portal.remove_application()] == [200]
    [(path, _, form)] = forms
    assert (path, form["event"], form["data[CLEAN]"]) == ("/ONAPPUNINSTALL", "ONAPPUNINSTALL", "1")
    assert form["auth[application_token]"] == portal.application_token
    assert not {"auth[access_token]", "auth[refresh_token]"} & set(form)
    refused = requests.post(f"{portal.client_endpoint}app.info", {"auth": token}, timeout=10)
    assert refused.json()["error"] == "invalid_token"
    assert (b24.call("event.get").data, portal.send_event("ONCRMDEALADD")) == ([], [])


def test_the_form_for_an_application(portal, application, browser):
    """The form takes its addresses from the query; a script is installed at once, and its answer is shown as text."""
    address, forms = application
    page = browser.get(portal.form_url, params={"handler": 'https://example.com/"', "install": address}).text
    assert f'name="install" value="{address}"' in page
    assert 'value="https://example.com/&quot;"' in page
    saved = browser.post(portal.form_url, {"handler": "x", "install": f"{address}/install", "script_only": "1"}).text
    assert "Installed: 200 &lt;b&gt;done&lt;/b&gt;" in saved
    assert [path for path, *_ in forms] == ["/install"]


def test_the_pages_of_an_application(portal, b24, application, browser):
    """The portal opens the installation page, then the application's page, and in a deal the tab that was bound."""
    address, _ = application
    portal.execute("crm.deal.add", {"fields": {"TITLE": "<Deal>"}})
    opened = browser.post(portal.form_url, {"handler": f"{address}/page?a=1", "install": f"{address}/install"})
    assert opened.url == portal.application_url
    action, fields = posted(opened.text)
    assert action.startswith(f"{address}/install?DOMAIN=127.0.0.1%3A")
    assert {"AUTH_ID", "REFRESH_ID", "member_id"} <= set(fields)
    bind(b24, address)
    assert "?tab=0" not in browser.get(portal.deal_url(1)).text
    assert browser.post(f"{portal.application_url}installed/").status_code == 200
    assert posted(browser.get(portal.application_url).text)[0].startswith(f"{address}/page?a=1&DOMAIN=")
    deal = browser.get(portal.deal_url(1)).text
    assert '<a href="?tab=0">A &lt;tab&gt;</a>' in deal
    assert "<h1>&lt;Deal&gt;</h1>" in deal
    action, fields = posted(browser.get(portal.deal_url(1), params={"tab": "0"}).text)
    assert action.startswith(f"{address}/tab?")
    assert (fields["PLACEMENT"], fields["PLACEMENT_OPTIONS"]) == ("CRM_DEAL_DETAIL_TAB", '{"ID":"1"}')


def test_other_pages(portal, application, browser):
    """Links lead from the list of deals to each; what is not there is said, and after an uninstallation no page is."""
    assert "There is no application with a page" in browser.get(portal.application_url).text
    assert browser.get(portal.deal_url(1)).status_code == 404
    portal.execute("crm.deal.add", {"fields": {"TITLE": "One"}})
    deals = browser.get(f"{portal.client_endpoint.removesuffix('rest/')}crm/deal/").text
    assert f'<a href="{portal.deal_url(1)}">One</a>' in deals
    assert "/api/v1/" not in browser.get(portal.deal_url(1), params={"tab": "x"}).text
    portal.add_application(application[0])
    gone = browser.post(f"{portal.client_endpoint.removesuffix('rest/')}devops/delete/application/1/")
    assert gone.url == portal.form_url
    assert "There is no application with a page" in browser.get(portal.application_url).text


def test_the_library(portal, browser):
    """The library has the functions that an installation page calls; a page is no request to REST."""
    library = browser.get(f"{portal.client_endpoint.removesuffix('rest/')}api/v1/")
    assert library.headers["Content-Type"].startswith("text/javascript")
    assert "installFinish" in library.text
    assert portal.requests == []


def test_a_cleared_portal(portal, b24, application):
    """A cleared portal has no application."""
    portal.add_application(application[0], application[0])
    bind(b24, application[0])
    portal.clear()
    assert (b24.call("event.get").data, b24.call("app.info").data["INSTALLED"]) == ([], True)
