"""The whole site over HTTP, for browsers: pages, tracking and content behind one port of 127.0.0.1, in threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from app.config import Config
from app.db import db
from launch.ports import free_port
from tests.services.templates import compiled_once


@dataclass(frozen=True, slots=True)
class Site:
    """A house that is served: ``url`` is its base address, as its own links have it."""

    url: str
    app: Flask


@pytest.fixture
def site(config: Config) -> Iterator[Site]:
    """The house of this test, served."""
    with served(config) as running:
        yield running


@contextmanager
def served(config: Config) -> Iterator[Site]:
    """Serve a house for the length of the block; its links and cookies fit the address that it is served at."""
    # Here, not above: every test loads this module, and a door that does not open fails the tests that go through it.
    from app.whole import Whole

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    app = compiled_once(create_app(replace(config, base_url=url)))
    server = make_server("127.0.0.1", port, Whole(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    try:
        yield Site(url, app)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
