"""A project that ``startproject`` has just made, with the lines of the README."""

import json
import re
import subprocess
import sys
import textwrap

import pytest
from django_server import PROJECT, environment, manage

README = PROJECT.parent.parent / "README.rst"
VIEW = """
from b24batch.django import get_session
from django.http import JsonResponse
from django.urls import path


def deals(request):
    return JsonResponse({"deals": get_session().call_list("crm.deal.list")})


urlpatterns.append(path("deals/", deals))
"""
#: What a browser sees, without a server.
LOOK = """
from django.test import Client
print(Client(SERVER_NAME="localhost").get("/deals/").json()["deals"][0]["TITLE"])
"""


@pytest.fixture
def project(tmp_path, portal):
    """The folder of the new project, with the README's settings pasted as they stand, and its environment."""
    env = environment(portal, "")
    env.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", tmp_path], check=True, env=env, timeout=60)
    block = re.search(r"settings::\n\n((?:    .*\n|\n)+)", README.read_text())[1]
    assert "B24BATCH = " in block
    with (tmp_path / "shop/settings.py").open("a") as settings:
        settings.write(textwrap.dedent(block))
    with (tmp_path / "shop/urls.py").open("a") as urls:
        urls.write(VIEW)
    return tmp_path, env


@pytest.mark.slow
def test_the_lines_of_the_readme(project, portal):
    """A new project with these lines passes its checks, and its view shows what the portal has."""
    folder, env = project
    portal.execute("crm.deal.add", {"fields": {"TITLE": "Mine"}})
    for words in (("check", "--fail-level=WARNING"), ("migrate", "-v0"), ("makemigrations", "--check", "-v0")):
        ended = manage(*words, env=env, project=folder)
        assert (ended.returncode, ended.stderr) == (0, "")
    ended = manage("shell", "-v0", "-c", LOOK, env=env, project=folder)
    assert (ended.stdout, ended.stderr) == ("Mine\n", "")


USERS = """
from b24batch.sandbox import Portal
MIDDLEWARE.insert(-1, "django.contrib.auth.middleware.LoginRequiredMiddleware")
B24BATCH["application"] = {
    "CLIENT_ID": Portal.client_id,
    "CLIENT_SECRET": Portal.client_secret,
    "TOKEN_URL": os.environ["B24_TOKEN_URL"],
    "ALLOW_LOOPBACK": True,
}
"""
TAB = """
from b24batch.django import placement_view
from django.http import HttpResponse
from django.urls import path


@placement_view(alias="application")
def tab(request, session, placement):
    return HttpResponse(session.call("user.current").data["ID"])


urlpatterns.append(path("tab/", tab))
"""
POST = """
import json, os
from django.test import Client
web = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
print(web.get("/deals/").status_code, web.post("/tab/", json.loads(os.environ["FORM"])).content.decode())
"""


@pytest.mark.slow
def test_a_project_for_users(project, portal):
    """In a new project where every view needs a login, a portal still opens the application's pages."""
    folder, env = project
    for name, text in (("settings", USERS), ("urls", TAB)):
        with (folder / f"shop/{name}.py").open("a") as file:
            file.write(text)
    env["FORM"] = json.dumps(portal.placement_form())
    ended = manage("shell", "-v0", "-c", POST, env=env, project=folder)
    assert (ended.stdout, ended.stderr) == ("302 1\n", "")


@pytest.mark.slow
def test_the_variable_is_missing(project):
    """Without the webhook in the environment the project names the variable that it needs."""
    folder, env = project
    del env["B24_WEBHOOK_URL"]
    ended = manage("check", env=env, project=folder)
    assert ended.returncode == 1
    assert ended.stderr.endswith("KeyError: 'B24_WEBHOOK_URL'\n")


def test_one_name_of_the_variable():
    """The webhook's environment variable has the same name in the program, in Django's settings and on all pages."""
    root = PROJECT.parent.parent
    files = [README, *(file for folder in ("b24batch", "docs", "examples") for file in (root / folder).rglob("*.*"))]
    texts = [file.read_text() for file in files if file.suffix in {".py", ".rst", ".ipynb"}]
    assert {name for text in texts for name in re.findall(r"\bB24_\w*WEBHOOK\w*", text)} == {"B24_WEBHOOK_URL"}
