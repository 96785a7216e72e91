"""JSON logs: one object a line, in the data folder and on the console, with the request's reference in each."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from secrets import token_hex
from typing import Any

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
    # Flask's own line has the whole path, and with it the secret of a link.
    app.log_exception = _log_exception  # type: ignore[method-assign]
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
    # The library of the test mailbox writes every line that it hears; return paths and passwords are among them.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers, root.level = handlers, logging.INFO


def _log_exception(exc_info: Any) -> None:
    logging.getLogger(__name__).error("unforeseen error in %s %s", request.method, asked_for(), exc_info=exc_info)


def _name_request() -> None:
    g.reference = token_hex(6)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(reference=g.reference, method=request.method, path=asked_for())


def asked_for() -> str:
    """Return which page was asked for as logs may have it: numbers stand in it, and never a link's secret."""
    if request.url_rule is None:
        return "no such page"
    numbers = " ".join(f"{name}={value}" for name, value in (request.view_args or {}).items() if isinstance(value, int))
    return f"{request.url_rule.rule} {numbers}".strip()


def _show_reference(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("reference", "")
    return response
