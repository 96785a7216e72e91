"""The door for browsers and mailbox providers, for any WSGI server: ``gunicorn -c python:launch.web wsgi:application``."""

from __future__ import annotations

import sys

from app import create_app
from app.config import ConfigError
from app.whole import Whole

try:
    app = create_app()
except ConfigError as error:
    sys.exit(str(error))
application = Whole(app)
