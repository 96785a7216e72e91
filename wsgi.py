"""The door for browsers and mailbox providers, for any WSGI server: ``gunicorn -c python:launch.web wsgi:application``."""

from __future__ import annotations

from app import create_app
from app.whole import Whole

app = create_app()
application = Whole(app)
