"""The Django project of the tests under a real server, which speaks to a portal of the sandbox."""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from b24batch.oauth import Token

PROJECT = Path(__file__).parent / "django_project"
SERVERS = {
    "runserver": ["manage.py", "runserver", "--noreload"],
    "gthread": ["-m", "gunicorn", "servers:wsgi", "--worker-class=gthread", "--threads=8", "--log-level=error", "-b"],
    "preload": ["-m", "gunicorn", "servers:wsgi", "--preload", "--workers=3", "--threads=4", "--log-level=error", "-b"],
    "uvicorn": ["-m", "uvicorn", "servers:asgi", "--log-level=error", "--fd"],
}
#: Seconds until a server answers.
START = 30


def environment(portal, database, **others):
    """The environment in which a project has this portal and this database."""
    left_out = ("http_proxy", "https_proxy", "all_proxy", "django_settings_module")
    return {
        **{name: value for name, value in os.environ.items() if name.lower() not in left_out},
        "B24_WEBHOOK_URL": portal.url,
        "B24_TOKEN_URL": portal.token_url,
        "DATABASE": str(database),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        **others,
    }


def token_of(portal, *, expired=False):
    """A new token of a portal of the sandbox, which may have expired already."""
    answer = portal.issue_token(0) if expired else portal.issue_token()
    names = ("access_token", "refresh_token", "client_endpoint", "member_id")
    return Token(expires=float(answer["expires"]), **{name: answer[name] for name in names})


def manage(*words, env, project=PROJECT):
    """Run a command of a project, and return what it ended with."""
    line = [sys.executable, "manage.py", *words]
    return subprocess.run(line, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def serving(name, env, project=PROJECT):
    """Serve a project; the value is its address."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=128)) as listening:
        port = listening.getsockname()[1]
        inherited = listening.fileno()  # no other process can take the port meanwhile
        places = {"runserver": f"127.0.0.1:{port}", "uvicorn": str(inherited)}
        line = [sys.executable, *SERVERS[name], places.get(name, f"fd://{inherited}")]
        if name == "runserver":
            listening.close()  # it opens the port itself
        kept = () if name == "runserver" else (inherited,)
        server = subprocess.Popen(line, cwd=project, env=env, stdout=subprocess.DEVNULL, pass_fds=kept)
    try:
        if name == "runserver":
            wait_for(port, server)
        else:
            await_answer(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def await_answer(port):
    """Wait until a server answers on a port that is open already."""
    with closing(socket.create_connection(("127.0.0.1", port), START)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        if not connection.recv(1):
            raise RuntimeError("the server did not start")


def wait_for(port, server):
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 1)) as connection:
                if connection.getsockname() != connection.getpeername():  # a socket may have met itself
                    return
        except ConnectionRefusedError:
            with suppress(
                subprocess.TimeoutExpired
            ):  # nobody tells of a port that is opened, but of a process that ends
                server.wait(0.02)
    raise RuntimeError(f"the server did not start: {server.args[1:3]}")
