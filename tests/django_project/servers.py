"""What gunicorn and uvicorn serve."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

wsgi = get_wsgi_application()
asgi = get_asgi_application()

if os.environ.get("WARM") == "1":  # under --preload the workers are forked from a process that has used its session
    from b24batch.django import get_session

    get_session().call("echo", {"n": "warm"})
