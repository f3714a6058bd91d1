"""The Django project under load, by real servers: `python tests/django_load.py`. Its exit status says whether it holds.

Each server gets 720 calls from 12 threads, a third for each view; every answer is compared with what was asked for.
Then the processes of one server make 720 calls with a stored token that has expired, and must refresh it once.
"""

import sqlite3
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import django
import requests
from django_server import environment, manage, serving, token_of

from b24batch.sandbox import Portal

CALLS, CLIENTS = 720, 12
#: Threads that may call the portal at once; under ASGI Django gives each request one.
THREADS = {"gthread": 8, "preload": 12, "uvicorn": CLIENTS}
PROCESSES = {"preload": 3}
DEALS = 60


def expected(n):
    """The view that the n-th call goes to, and its answer."""
    return (
        ("batch/", [{"n": str(n), "i": str(i)} for i in range(3)]),
        ("by_chunk/", [{"n": str(n), "i": str(i)} for i in range(6)]),
        ("listing/", [f"Deal {n % DEALS}"]),
    )[n % 3]


def expected_of_a_member(n):
    """The same for an application."""
    return f"stored/?member_id={Portal.member_id}", {"n": str(n)}


def outcome(address, n, expected):
    """What became of one call, and the process that answered it; each comes over a connection of its own."""
    view, answer = expected(n)
    with requests.Session() as http:
        http.trust_env = False
        response = http.get(f"{address}/{view}", params={"n": n}, timeout=60)
    if response.status_code != 200:
        return f"HTTP {response.status_code}", ""
    return "right" if response.json() == answer else "wrong", response.headers["X-Process"]


def load(address, expected=expected):
    """The outcomes of all calls, counted, and the number of processes that gave them."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        outcomes, processes = zip(*pool.map(lambda n: outcome(address, n, expected), range(CALLS)), strict=True)
    return Counter(outcomes), len(set(processes))


def holds(name, directory):
    """Whether a server gives nothing but right answers, over no more connections than it has threads."""
    with Portal() as portal:
        portal.method("echo")(lambda params: params)
        for n in range(DEALS):
            portal.execute("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}})
        env = environment(portal, directory / f"{name}.sqlite3", WARM="1")
        with serving(name, env) as address:
            first, began = len(portal.requests), time.monotonic()
            outcomes, processes = load(address)
            seconds = time.monotonic() - began
        connections = len({request.connection for request in portal.requests[first:]})
    speed = f"{CALLS / seconds:.0f} calls/s, {processes} processes, {connections} connections"
    print(f"Django {django.__version__}, {name}: {dict(outcomes)}, {speed}")
    return outcomes == {"right": CALLS} and connections <= THREADS[name] and processes == PROCESSES.get(name, 1)


def store_expired(portal, database):
    """Let a new database have a token of the portal that has expired."""
    assert manage("migrate", "-v0", env=environment(portal, database)).returncode == 0
    token = token_of(portal, expired=True)
    tokens = (token.access_token.reveal(), token.refresh_token.reveal())
    row = (token.member_id, *tokens, token.expires, token.client_endpoint, "", "", "", "2000-01-01")
    columns = (
        "member_id, access_token, refresh_token, expires, client_endpoint, server_endpoint, application_token,"
        " replaced, updated"
    )
    with closing(sqlite3.connect(database)) as rows, rows:
        rows.execute(f"INSERT INTO b24batch_portaltoken ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def refreshes_once(directory):
    """Whether processes that share an expired token give nothing but right answers after one refresh."""
    with Portal() as portal:
        portal.method("echo")(lambda params: params)
        database = directory / "refresh.sqlite3"
        store_expired(portal, database)
        with serving("preload", environment(portal, database)) as address:
            outcomes, processes = load(address, expected_of_a_member)
        refreshes = [request.error for request in portal.token_requests]
    print(
        f"Django {django.__version__}, preload, OAuth: {dict(outcomes)}, {processes} processes, refreshes: {refreshes}"
    )
    return outcomes == {"right": CALLS} and refreshes == [None] and processes == PROCESSES["preload"]


def main():
    with tempfile.TemporaryDirectory() as directory:
        outcomes = [holds(name, Path(directory)) for name in THREADS]
        outcomes.append(refreshes_once(Path(directory)))
    return all(outcomes)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
