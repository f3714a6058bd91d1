"""Sets up the Django project of the tests in the process that imports this, before anything of Django is imported.

With B24BATCH_POSTGRES=1 its database is a PostgreSQL server of this process, else a SQLite file.
"""

import atexit
import os
import sys
import tempfile
from contextlib import ExitStack

from django_server import PROJECT

_directory = tempfile.TemporaryDirectory()
os.environ.setdefault("DATABASE", f"{_directory.name}/tokens.sqlite3")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
sys.path.insert(0, str(PROJECT))

if os.environ.get("B24BATCH_POSTGRES") == "1" and "DATABASE_HOST" not in os.environ:  # else it is a parent's
    from django_databases import postgres

    _servers = ExitStack()
    os.environ["DATABASE_HOST"] = _servers.enter_context(postgres())
    atexit.register(_servers.close)

import django  # noqa: E402

django.setup()
