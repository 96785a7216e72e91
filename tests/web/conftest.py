"""Who uses the pages in these tests."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories.customers import Customer, customer
from tests.services.sink import sink  # noqa: F401 - a fixture


@pytest.fixture
def paul(app: Flask) -> Customer:
    """A customer."""
    return customer(app, "paul")


@pytest.fixture
def eve(app: Flask) -> Customer:
    """Another customer, who is curious."""
    return customer(app, "eve")
