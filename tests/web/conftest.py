"""Who uses the pages in these tests."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import Client

from tests.factories.customers import Customer, customer
from tests.factories.posted import Posted, door, posted
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture


@pytest.fixture
def paul(app: Flask) -> Customer:
    """A customer."""
    return customer(app, "paul")


@pytest.fixture
def eve(app: Flask) -> Customer:
    """Another customer, who is curious."""
    return customer(app, "eve")


@pytest.fixture
def mailing(app: Flask, sink: Sink) -> Posted:  # noqa: F811
    """A campaign that went to three people."""
    return posted(app, sink)


@pytest.fixture
def visitor(app: Flask) -> Client:
    """Somebody without a cookie, at the addresses of a mail."""
    return door(app)
