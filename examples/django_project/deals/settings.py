"""The settings: three of them are for b24batch, the others are what any project has."""

from __future__ import annotations

import os
from pathlib import Path

from deals.sandbox import sandbox_url

# Django's debug page masks settings with SECRET in their names; b24batch.django masks webhooks in the environment.
INSTALLED_APPS = ["b24batch.django", "deals"]
MIDDLEWARE = [
    "django.middleware.csrf.CsrfViewMiddleware",
    "b24batch.django.middleware.RateLimitedMiddleware",
]
B24BATCH = {"default": {"WEBHOOK_SECRET_URL": os.environ.get("B24_WEBHOOK_URL") or sandbox_url()}}

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
