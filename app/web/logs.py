"""JSON logs: one object a line, in the data folder and on the console, with the request's reference in each."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from secrets import token_hex

import structlog
from flask import Flask, Response, g, request

from app.config import Config

_RENDER = structlog.processors.JSONRenderer()
_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def init_logs(app: Flask, config: Config) -> None:
    """Send every log line of the process, libraries' too, through one JSON formatter; name each request."""
    if not config.testing:
        _configure(config)
    app.before_request(_name_request)
    app.after_request(_show_reference)


def _configure(config: Config) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDER])
    folder = config.data / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    # WatchedFileHandler: many processes append to the same file, and whoever rotates it may do so at any time.
    handlers: list[logging.Handler] = [logging.handlers.WatchedFileHandler(folder / "lettermill.jsonl"), logging.StreamHandler(sys.stderr)]
    handlers[1].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers, root.level = handlers, logging.INFO


def _name_request() -> None:
    g.reference = token_hex(6)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(reference=g.reference, method=request.method, path=request.path)


def _show_reference(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("reference", "")
    return response
