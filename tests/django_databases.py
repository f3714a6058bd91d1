"""More databases for the tests of b24batch.django: a second SQLite file, and PostgreSQL where it is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connections

#: Where Debian puts the programs of a server.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
PORT = "5432"


def why_not():
    """Why there is no PostgreSQL here; None if there is."""
    if not shutil.which("initdb", path=PLACES) or not shutil.which("pg_ctl", path=PLACES):
        return "PostgreSQL is not installed"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed"
    return None


def as_server(*line):
    """Run a program of the server; root must do so as somebody else."""
    user = "postgres" if os.geteuid() == 0 else None
    program = shutil.which(line[0], path=PLACES)
    done = subprocess.run([program, *line[1:]], user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    assert done.returncode == 0, done.stderr


@contextmanager
def postgres():
    """A server without a port, by its folder, which has its socket."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
            Path(folder).chmod(0o755)
        data = f"{folder}/data"
        as_server("initdb", "-D", data, "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -p {PORT}"
        as_server("pg_ctl", "-D", data, "-o", options, "-l", f"{data}/log", "-w", "start")
        try:
            yield folder
        finally:
            as_server("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@contextmanager
def added(alias, **values):
    """Add a database to the project, with the tables of its applications."""
    connections.settings[alias] = {**connections.settings["default"], "ATOMIC_REQUESTS": False, **values}
    try:
        call_command("migrate", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]
