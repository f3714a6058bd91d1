"""The page about Django, followed line by line: from an empty folder to an application that is installed."""

import ast
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django_server import environment, manage, serving

from b24batch.sandbox import Portal

PAGE = Path(__file__).parent.parent.parent / "docs" / "django.rst"
BLOCK = re.compile(r"^( *)\.\. literalinclude:: (\S+)\n((?:\1 +:.*\n)*)", re.MULTILINE)
#: What the sandbox needs beside the settings of the page.
SANDBOX = """
ALLOWED_HOSTS = ["127.0.0.1"]
B24BATCH["application"] |= {"TOKEN_URL": os.environ["B24_TOKEN_URL"], "ALLOW_LOOPBACK": True}
"""


def section():
    """The part of the page that builds the application."""
    return PAGE.read_text().partition("\nFrom nothing to a tab in a deal\n")[2].partition("\nWhat happens at ")[0]


def includes():
    """Each file and the text that the page shows of it, in the page's order."""
    for _, name, options in BLOCK.findall(section()):
        path = PAGE.parent / name
        yield path.name, extract(path.read_text(), dict(re.findall(r":([\w-]+): ?(.*)", options)))


def extract(text, options):
    """The part of a file that these options of literalinclude choose."""
    if "pyobject" in options:
        [found] = [node for node in ast.parse(text).body if getattr(node, "name", "") == options["pyobject"]]
        first = found.decorator_list[0].lineno - 1
        return "\n".join([*text.splitlines()[first : found.end_lineno], ""])
    lines = text[text.index(options.get("start-at", "")) :]
    if "end-before" in options:
        lines = lines.partition(options["end-before"])[0]
    if "end-at" in options:
        before, end, after = lines.partition(options["end-at"])
        lines = before + end + after.partition("\n")[0]
    return lines


def build(folder, env):
    """Do what the page says, in an empty folder."""
    *start, migrate, serve = re.findall(r"^    ((?:django-admin|python manage.py) .*)$", section(), re.MULTILINE)
    assert (migrate, serve) == ("python manage.py migrate", "python manage.py runserver")
    for line in start:
        words = shlex.split(line)
        program = ["-m", "django", *words[1:]] if words[0] == "django-admin" else words[1:]
        subprocess.run([sys.executable, *program], cwd=folder, env=env, check=True, timeout=60)
    [settings] = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", section())
    add(folder / "shop/settings.py", textwrap.dedent(settings) + SANDBOX)
    for name, text in includes():
        place = "templates/" if name.endswith(".html") else ""
        added = f"from deals import application\nurlpatterns += [{text}]\n" if name == "urls.py" else text
        add(folder / "shop/urls.py" if name == "urls.py" else folder / "deals" / f"{place}{name}", added)


def add(path, text):
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text + "\n")


@pytest.mark.slow
def test_the_page_step_by_step(tmp_path):
    """The commands, settings, views, templates and URLs of the page make an application that works; none is missing."""
    with Portal() as portal:
        credentials = {"B24_CLIENT_ID": portal.client_id, "B24_CLIENT_SECRET": portal.client_secret}
        env = environment(portal, "", **credentials)
        env.pop("DJANGO_SETTINGS_MODULE", None)
        build(tmp_path, env)
        for command in ("check", "migrate"):
            done = manage(command, env=env, project=tmp_path)
            assert done.returncode == 0, done.stderr
        with serving("runserver", env, tmp_path) as site:
            install(portal, site)


def install(portal, site):
    """Install the application, open its pages, send it an event, and remove it."""
    portal.add_application(f"{site}/app/start/", f"{site}/app/install/")
    page = portal.post_install_page(f"{site}/app/install/")
    assert (page.status_code, "BX24.installFinish()" in page.text) == (200, True), page.text
    assert [answer.status_code for answer in portal.finish_install()] == [200]
    assert "Hello, Sandbox User 1" in portal.post_placement(f"{site}/app/start/").text
    deal_id = portal.execute("crm.deal.add", {"fields": {"TITLE": "A new deal"}})
    assert [answer.status_code for answer in portal.send_event("ONCRMDEALADD", {"FIELDS": {"ID": deal_id}})] == [200]
    tab = portal.post_placement(f"{site}/app/tab/", "CRM_DEAL_DETAIL_TAB", {"ID": str(deal_id)}).text
    assert ("A new deal" in tab, "WEB" in tab, 'name="AUTH_ID"' in tab) == (True, True, True)
    assert [answer.status_code for answer in portal.remove_application()] == [200]
