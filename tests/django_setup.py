"""Sets up the Django project of the tests in the process that imports this, before anything of Django is imported."""

import os
import sys
import tempfile

from django_server import PROJECT

_directory = tempfile.TemporaryDirectory()
os.environ.setdefault("DATABASE", f"{_directory.name}/tokens.sqlite3")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
sys.path.insert(0, str(PROJECT))

import django  # noqa: E402

django.setup()
