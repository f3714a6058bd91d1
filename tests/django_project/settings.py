"""A project as users have one; the environment says which portal and which database it has."""

import os
import tempfile
from pathlib import Path

from b24batch.sandbox import Portal

WEBHOOK_SECRET_URL = os.environ.get("B24_WEBHOOK_URL", "https://portal.invalid/rest/1/c0de/")
SECRET_KEY = "not-a-secret-in-a-test" * 3
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "servers.wsgi"
INSTALLED_APPS = ["b24batch.django"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "processes.named",
    "b24batch.django.middleware.RateLimitedMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": os.environ.get("DATABASE") or Path(tempfile.gettempdir()) / "b24batch-tests.sqlite3",
}
#: A server by the folder of its socket.
SERVER = {
    "ENGINE": f"django.db.backends.{os.environ.get('DATABASE_ENGINE', 'postgresql')}",
    "NAME": os.environ.get("DATABASE_NAME", "postgres"),
    "USER": os.environ.get("DATABASE_USER", "tests"),
    "HOST": os.environ.get("DATABASE_HOST"),
    "PORT": os.environ.get("DATABASE_PORT", "5432"),
}
DATABASES = {"default": {**(SERVER if SERVER["HOST"] else SQLITE), "ATOMIC_REQUESTS": True}}
B24BATCH = {
    "default": {"WEBHOOK_SECRET_URL": WEBHOOK_SECRET_URL, "RATE": None, "TIMEOUT": 30},
    "application": {
        "CLIENT_ID": Portal.client_id,
        "CLIENT_SECRET": Portal.client_secret,
        "TOKEN_URL": os.environ.get("B24_TOKEN_URL", "http://127.0.0.1:9/oauth/token/"),
        "ALLOW_LOOPBACK": True,
        "RATE": None,
    },
}
B24BATCH["local"] = {**B24BATCH["application"], "APPLICATION_TOKEN": Portal.application_token}
B24BATCH["hook"] = {**B24BATCH["default"], "APPLICATION_TOKEN": Portal.application_token, "ALLOW_LOOPBACK": True}
SILENCED_SYSTEM_CHECKS = ["b24batch.W003"]  # the views that read or write before a refresh are tested as they are
