"""Both forms of an installation: that of a page, and the event."""

import pytest
from canary import assert_hidden

from b24batch import UsageError
from b24batch.oauth import Install


def test_a_page(portal):
    """The form of a page has a token that can be renewed, no event, and no application token."""
    install = Install.from_form(portal.install_page_form(LANG="de"), allow_loopback=True)
    assert (install.event, install.application_token, install.data, install.language) == (None, None, {}, "de")
    oauth = install.oauth(portal.client_id, portal.client_secret, token_url=portal.token_url)
    assert oauth.refresh().member_id == portal.member_id


def test_a_page_with_an_application_token(portal):
    """Newer portals post the application token to pages too; it is a secret."""
    form = portal.install_page_form(APPLICATION_TOKEN="t0kenofapage")
    install = Install.from_form(form, allow_loopback=True)
    assert install.application_token.reveal() == "t0kenofapage"
    assert "t0kenofapage" not in repr(install)


@pytest.mark.parametrize("event", ["ONAPPINSTALL", "onAppUpdate"])
def test_events_of_an_installation(portal, event):
    """The event of an installation and that of an update bring the application token, whatever their case."""
    install = Install.from_form(portal.install_form(event=event), allow_loopback=True)
    assert (install.event, install.language) == (event.upper(), "en")
    assert install.application_token.reveal() == portal.application_token


def test_another_placement_is_no_installation(portal):
    """A tab's form installs nothing, so an address that is bound to both by mistake tells so."""
    form = portal.placement_form("CRM_DEAL_DETAIL_TAB", {"ID": "7"})
    with pytest.raises(UsageError, match=r"PLACEMENT: expected DEFAULT.* got 'CRM_DEAL_DETAIL_TAB'") as caught:
        Install.from_form(form, allow_loopback=True)
    assert_hidden([form["AUTH_ID"], form["REFRESH_ID"]], caught.value)


def test_a_page_without_a_placement(portal):
    """An application's own page is meant where the form names no place."""
    assert Install.from_form(portal.install_page_form(PLACEMENT=None), allow_loopback=True).event is None


@pytest.mark.parametrize("field", ["DOMAIN", "AUTH_ID", "AUTH_EXPIRES", "member_id"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_page_that_lacks_a_field(portal, field, value):
    """A page's form that lacks a field is refused with its name."""
    form = {**portal.install_page_form(), field: value}
    form = {name: text for name, text in form.items() if text is not None}
    with pytest.raises(UsageError, match=field) as caught:
        Install.from_form(form, allow_loopback=True)
    assert_hidden([form["REFRESH_ID"]], caught.value)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "169.254.169.254", "exa mple.com", "portal.local:99999"])
def test_a_page_of_a_host_that_no_portal_has(portal, host, refused):
    """A page's form may name the same hosts as any other form."""
    with pytest.raises(UsageError, match="DOMAIN: expected the host name of a portal"):
        Install.from_form(portal.install_page_form(DOMAIN=host))


def test_a_page_of_a_third_token_server(portal, refused):
    """A page's form may name one of Bitrix24's two token servers only."""
    form = portal.install_page_form(DOMAIN="example.bitrix24.com", SERVER_ENDPOINT="https://oauth.example.com/rest/")
    with pytest.raises(UsageError, match="SERVER_ENDPOINT: expected an OAuth server of Bitrix24"):
        Install.from_form(form)
