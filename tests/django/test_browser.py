"""The example project in a real browser: from an empty database to a tab in a deal.

The portal is 127.0.0.1 and the application localhost: for a browser two sites, as on the internet. The browser is
Chromium, driven by playwright; the variable ``B24BATCH_BROWSER`` names another one, and forbids to skip the tests.
"""

import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from django_server import PROJECT, manage, serving

from b24batch.sandbox import Portal

ROOT = PROJECT.parent.parent
EXAMPLE = ROOT / "examples" / "django_project"
GIVEN = os.environ.get("B24BATCH_BROWSER")
BROWSER = GIVEN or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def browser():
    if GIVEN:
        import playwright.sync_api as playwright
    else:
        playwright = pytest.importorskip("playwright.sync_api")
    # The sandbox of Chromium does not work as root, nor in most containers.
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--no-proxy-server"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page in a browser without any cookie."""
    with closing(browser.new_context()) as context:
        context.set_default_timeout(60_000)
        yield context.new_page()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("example") / "example.sqlite3"


@pytest.fixture(scope="module")
def server(database):
    """The example project, started by the lines of its README; the value is its address."""
    lines = re.findall(r"^    python (\S.*)$", (EXAMPLE / "README.rst").read_text(), re.MULTILINE)
    assert lines == ["-m pip install 'b24batch[django]'", "manage.py migrate", "manage.py runserver"]
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("B24_", "DJANGO_"))}
    others = {"DATABASE": str(database), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "*"}
    env = {**kept, **others}
    assert manage("migrate", env=env, project=EXAMPLE).returncode == 0
    with serving("runserver", env, EXAMPLE) as address:
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture
def site(server, database, page):
    """The same before an installation; afterwards the portal uninstalls the application."""
    assert read_tokens(database) == []
    yield server
    page.goto(server)
    page.get_by_text("Install the application").click()
    page.get_by_role("button", name="Delete the application").click()
    page.get_by_text("Local application").wait_for()


def read_tokens(database):
    with closing(sqlite3.connect(database)) as tokens:
        return tokens.execute("SELECT member_id, application_token FROM b24batch_portaltoken").fetchall()


def install(page, site):
    """Install the application as an administrator does: by the portal's form."""
    page.goto(site)
    page.get_by_text("Install the application").click()
    page.get_by_role("button", name="Save").click()
    frame = page.frame_locator("iframe")
    frame.get_by_text("Hello, Sandbox User 1").wait_for()
    return frame


def test_from_nothing_to_a_tab_in_a_deal(page, site, database):
    """The example is installed in a frame of another site, and its tab in a deal shows the deal and changes it."""
    statuses, errors = [], []
    page.on("response", lambda answer: statuses.append((answer.status, answer.url.partition("?")[0])))
    page.on("pageerror", lambda error: errors.append(str(error)))
    install(page, site)
    assert read_tokens(database) == [(Portal.member_id, Portal.application_token)]
    page.get_by_role("link", name="Deals", exact=True).click()
    page.get_by_role("link", name="Deal 120", exact=True).click()
    page.get_by_role("link", name="Example", exact=True).click()
    tab = page.frame_locator("iframe")
    tab.get_by_text("Source: none").wait_for()
    tab.get_by_role("button").click()
    tab.get_by_text("Source: CALL").wait_for()
    page.get_by_role("link", name="General", exact=True).click()
    page.get_by_text("Source: CALL").wait_for()
    inside = [status for status, url in statuses if url.startswith(f"{site}/app/")]
    assert (inside, errors) == ([200] * 4, [])


def test_no_cookie_reaches_the_frame(page, site):
    """In a frame of another site the browser sends no cookie that it has, and the application works without."""
    page.context.add_cookies([{"name": "sessionid", "value": "mine", "url": site, "sameSite": "Lax"}])
    sent = {}
    page.on("request", lambda request: sent.update({request.url.partition("?")[0]: request.all_headers()}))
    install(page, site)
    assert "sessionid=mine" in sent[f"{site}/"]["cookie"]
    framed = [headers for url, headers in sent.items() if url.startswith(f"{site}/app/")]
    assert len(framed) == 2
    assert not [headers["cookie"] for headers in framed if "cookie" in headers]


def test_a_page_that_is_not_decorated_is_not_framed(page, site):
    """A page of the same project without a decorator of b24batch stays out of frames, as Django has it."""
    page.goto(site)
    portal = page.get_by_text("Install the application").get_attribute("href").partition("/devops")[0]
    page.goto(f"{portal}/devops/edit/application/local/?handler={site}/&install=")
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state("networkidle")
    assert page.frames[1].url.startswith("chrome-error:")


def test_an_installation_that_is_reloaded(page, site, database):
    """A browser that posts the installation's form again, as by a reload of the frame, gets the page again."""
    page.route("**/api/v1/", lambda route: route.abort())  # the library is not loaded, so nothing is completed
    page.goto(site)
    page.get_by_text("Install the application").click()
    page.get_by_role("button", name="Save").click()
    for _ in range(2):
        frame = page.frame_locator("iframe")
        frame.get_by_text("The application is installed").wait_for()
        with page.expect_response(lambda answer: "/app/install/" in answer.url) as again:
            page.frames[1].evaluate("setTimeout(() => location.reload())")
        assert again.value.status == 200
    assert [token for _, token in read_tokens(database)] == [""]
    page.unroute("**/api/v1/")
    page.reload()
    page.frame_locator("iframe").get_by_text("Hello, Sandbox User 1").wait_for()


def test_uninstalled_and_installed_again(page, site, database):
    """Uninstalled by the portal's form, the application forgets the portal; it can be installed again."""
    install(page, site)
    page.get_by_role("link", name="Developer resources").click()
    page.get_by_role("button", name="Delete the application").click()
    page.get_by_text("Local application").wait_for()
    assert read_tokens(database) == []
    install(page, site)
    assert len(read_tokens(database)) == 1
