"""The door for browsers and mailbox providers: tracking and content stand ahead of Flask, trusted proxies ahead of all."""

from __future__ import annotations

from app import create_app
from app.content.app import ContentApp
from app.front import Front
from app.tracking.hits import TrackingApp
from app.web.proxies import TrustedProxies

app = create_app()
_house = app.extensions["lettermill"]
application = TrustedProxies(Front(app.wsgi_app, TrackingApp(_house), ContentApp(_house)), _house.config.trusted_proxies)
