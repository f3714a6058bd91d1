"""gevent and eventlet that patch late: `python tests/late_patch.py`. Its exit status says whether nothing was doubled.

A session that was made before the patching is used by many greenlets of one thread, on a portal in a process of its
own that loses every third answer: by gevent and by eventlet as a Celery worker loads them, and by the gevent workers
of gunicorn, whose application was loaded before they began (`--preload`). The portal's journal is compared with the
outcomes.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

GREENLETS, WRITES = 20, 15
SCRIPT = Path(__file__)


def serve(connection):
    """A portal that loses every third answer, and closes every fifth connection; it sends its journal when asked."""
    from b24batch.sandbox import Portal

    with Portal() as portal:
        portal.method("probe.add")(lambda params: params["n"])
        for n in range(0, 3 * GREENLETS * WRITES, 3):
            portal.fail_next("lost_after", after=n)
        token = portal.issue_token()
        application = {name: getattr(portal, name) for name in ("client_id", "client_secret", "token_url")}
        connection.send({"url": portal.url, "application": application, "token": token})
        while connection.recv() != "end":
            connection.send([command.params["n"] for command in portal.executed])


@contextmanager
def served():
    """The addresses of a portal in a process of its own, and what tells what it has executed."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()

    def executed():
        ours.send("tell")
        return ours.recv()

    yield ours.recv(), executed
    ours.send("end")
    process.join(10)


def outcomes(b24, worker):
    """What became of the writes of one greenlet: number and status of each."""
    from b24batch import Command, SdkError

    rows = []
    for n in range(WRITES):
        number = f"{worker}-{n}"
        try:
            rows += [(number, row.status) for row in b24.batch_by_chunk([Command("probe.add", {"n": number})]).rows]
        except SdkError as error:
            rows.append((number, type(error).__name__))
    return rows


def outcomes_at_once(b24, worker):
    """The same, from one run with four requests on their way."""
    from b24batch import Command

    commands = [Command("probe.add", {"n": f"{worker}-{n}"}) for n in range(WRITES)]
    rows = b24.batch_by_chunk(commands, chunk_size=1, concurrency=4).rows
    assert [row.command for row in rows] == commands
    return [(row.command.params["n"], row.status) for row in rows]


def session(credentials):
    from b24batch import RetryPolicy, Session

    return Session(credentials, limits=None, retries=RetryPolicy(wait_initial=0.001))


def with_gevent(portal):
    return spawned_by_gevent(session(portal["url"]))


def with_gevent_at_once(portal):
    return spawned_by_gevent(session(portal["url"]), outcomes_at_once)


def with_an_expired_token(portal):
    """The writes of greenlets that all find the token of an application expired."""
    from b24batch import OAuth
    from b24batch.oauth import Token

    names = ("access_token", "refresh_token", "client_endpoint", "member_id")
    token = Token(expires=0, **{name: portal["token"][name] for name in names})
    return spawned_by_gevent(session(OAuth(token=token, **portal["application"])))


def spawned_by_gevent(b24, work=outcomes):
    import gevent
    import gevent.monkey

    gevent.monkey.patch_all()
    jobs = [gevent.spawn(work, b24, worker) for worker in range(GREENLETS)]
    gevent.joinall(jobs)
    return [row for job in jobs for row in job.get()]


def with_eventlet_at_once(portal):
    return with_eventlet(portal, outcomes_at_once)


def with_eventlet(portal, work=outcomes):
    b24 = session(portal["url"])
    import eventlet

    eventlet.monkey_patch()
    jobs = [eventlet.spawn(work, b24, worker) for worker in range(GREENLETS)]
    return [row for job in jobs for row in job.wait()]


def with_gunicorn(portal):
    """The writes of a gunicorn with two gevent workers, whose application was loaded before them."""
    import threading

    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/gunicorn.sock"
        options = ["--preload", "-k", "gevent", "-w", "2", "-b", f"unix:{socket}", "--chdir", str(SCRIPT.parent)]
        environment = {**os.environ, "LATE_PATCH_PORTAL": portal["url"]}
        command = [sys.executable, "-m", "gunicorn", *options, "late_patch:application"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            next(line for line in server.stderr if "Booting worker" in line)
            threading.Thread(target=server.stderr.read, daemon=True).start()
            rows = []
            asking = [threading.Thread(target=lambda n=n: rows.extend(ask(socket, n))) for n in range(GREENLETS)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            server.terminate()
    return rows


def ask(path, worker):
    import http.client
    import socket

    class Local(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)

    connection = Local("localhost")
    connection.request("GET", f"/{worker}")
    return json.load(connection.getresponse())


def application(environ, start_response):
    """The WSGI application of `with_gunicorn`."""
    rows = outcomes(SESSION, environ["PATH_INFO"].strip("/"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(rows).encode()]


SESSION = session(os.environ["LATE_PATCH_PORTAL"]) if "LATE_PATCH_PORTAL" in os.environ else None
WAYS = {
    way.__name__.removeprefix("with_"): way
    for way in (
        with_gevent,
        with_gevent_at_once,
        with_eventlet,
        with_eventlet_at_once,
        with_gunicorn,
        with_an_expired_token,
    )
}


def contradictions(rows, executed):
    """What the outcomes say that the journal does not."""
    ran = Counter(executed)
    wrong = [f"{number} ran {times} times" for number, times in ran.items() if times > 1]
    wrong += [
        f"{number} is {status} and ran" for number, status in rows if status in ("failed", "skipped") and ran[number]
    ]
    return wrong + [f"{number} is ok and did not run" for number, status in rows if status == "ok" and not ran[number]]


def main():
    failed = False
    for way in WAYS:
        with served() as (portal, executed):
            command = [sys.executable, SCRIPT, way, json.dumps(portal)]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
            rows = json.loads(run.stdout.splitlines()[-1])
            wrong = contradictions(rows, executed())
        print(way, dict(Counter(status for _, status in rows)), "contradictions:", wrong or "none")
        failed = failed or bool(wrong) or len(rows) != GREENLETS * WRITES
    return failed


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(WAYS[sys.argv[1]](json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
