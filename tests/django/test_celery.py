"""The task of the page on task queues, with a real worker on Redis: killed in the middle, it doubles nothing."""

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import django_setup  # noqa: F401
import pytest

pytest_plugins = ["django_fixtures"]

from django.db import connections  # noqa: E402
from django.db.models import F  # noqa: E402
from django_server import PROJECT, environment  # noqa: E402
from redis_server import RedisServer, needs_server  # noqa: E402

from b24batch.django import JournalRun  # noqa: E402

SAMPLES = PROJECT.parent.parent / "docs" / "samples"
COMMANDS = 60
#: Seconds until a worker has done what it is waited for.
PATIENCE = 60


@contextmanager
def redis(folder):
    """A Redis server, by the URL of its socket."""
    server = RedisServer(folder)
    try:
        yield f"redis+socket://{server.path}"
    finally:
        server.stop()


@contextmanager
def working(env):
    """A worker with one child process."""
    line = [sys.executable, "-m", "celery", "-A", "workers", "worker", "-c1", "-P", "prefork", "-l", "ERROR"]
    worker = subprocess.Popen(line, cwd=SAMPLES, env=env, start_new_session=True)
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(PATIENCE)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@needs_server
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_a_killed_child(portal, database, tmp_path):
    """A child that is killed in the middle of a task: the task is delivered again and goes on, and nothing doubles."""
    pytest.importorskip("celery")
    pytest.importorskip("redis")
    JournalRun.objects.all().delete()
    killed, workers = [], []

    @portal.method("crm.deal.add")
    def add(params):
        if params["fields"]["TITLE"] == "Deal 7-55" and not killed:
            try:  # the lease of the run ends now, so that nobody has to wait for that
                JournalRun.objects.update(until=F("until") - timedelta(hours=1))
            finally:
                connections.close_all()
            killed.extend(children(workers[0].pid))
            for child in killed:
                os.kill(child, signal.SIGKILL)
        return 1

    with redis(tmp_path) as url:
        path = os.pathsep.join(map(str, (PROJECT.parent.parent, PROJECT, SAMPLES)))
        env = environment(portal, os.environ["DATABASE"], DJANGO_SETTINGS_MODULE="settings", BROKER_URL=url)
        with working(env | {"PYTHONPATH": path}) as worker:
            workers.append(worker)
            line = [sys.executable, "-c", "import workers; print(workers.export.delay(7).get(timeout=60))"]
            ended = subprocess.run(line, cwd=SAMPLES, env=env | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert killed
    sent = Counter(command.params["fields"]["TITLE"] for command in portal.executed)
    assert set(sent.values()) == {1}
    assert len(sent) == COMMANDS
    assert ended.stdout.startswith("60 commands: 50 ok, 10 unknown; 2 lives")
