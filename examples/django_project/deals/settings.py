"""The settings: the first part is for b24batch, the rest is as ``django-admin startproject`` writes it."""

from __future__ import annotations

import os
from pathlib import Path

from deals.sandbox import start_sandbox

# Without a portal of your own, one inside the process.
SANDBOX = None if "B24_WEBHOOK_URL" in os.environ or "B24_CLIENT_ID" in os.environ else start_sandbox()

# Django's debug page masks settings with SECRET in their names; b24batch.django masks webhooks in the environment.
B24BATCH: dict[str, dict[str, object]] = {}
if SANDBOX:
    B24BATCH["default"] = {"WEBHOOK_SECRET_URL": SANDBOX.url}
    B24BATCH["application"] = {
        "CLIENT_ID": SANDBOX.client_id,
        "CLIENT_SECRET": SANDBOX.client_secret,
        "TOKEN_URL": SANDBOX.token_url,  # this and the next key are for the sandbox only
        "ALLOW_LOOPBACK": True,
    }
if "B24_WEBHOOK_URL" in os.environ:
    B24BATCH["default"] = {"WEBHOOK_SECRET_URL": os.environ["B24_WEBHOOK_URL"]}
if "B24_CLIENT_ID" in os.environ:
    B24BATCH["application"] = {
        "CLIENT_ID": os.environ["B24_CLIENT_ID"],
        "CLIENT_SECRET": os.environ["B24_CLIENT_SECRET"],
    }

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "b24batch.django",
    "deals",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "b24batch.django.middleware.RateLimitedMiddleware",
]

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-this-example-never-for-a-server-that-others-reach")
DEBUG = True
ROOT_URLCONF = "deals.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE") or Path(__file__).parent.parent / "db.sqlite3",
    }
}
USE_TZ = True
TIME_ZONE = "UTC"
