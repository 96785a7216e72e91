"""What a person sees when something cannot be done: the cause, what is safe, what happens next, and a reference for the log."""

from __future__ import annotations

import json
import logging
import os
import secrets
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError

from app.web import faults
from app.web.faults import Fault
from app.web.fragments import block_of, wants_panel
from app.web.logs import asked_for

log = logging.getLogger(__name__)
PAGE = "weefive/errors/page.html"
API = ("/api/", "/in/")
NOT_SHOWN = ("csrf_token", "password", "secret", "token", "key", "code")


def init_errors(app: Flask) -> None:
    """Answer every error with a page, and htmx with a notice that leaves the form as it was."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(CSRFError, csrf_error)
    app.register_error_handler(OperationalError, database_error)
    app.register_error_handler(InterfaceError, database_error)
    app.register_error_handler(Exception, unforeseen_error)


def http_error(error: HTTPException) -> Response:
    """A refusal that a view or Flask itself gave; answers that are no error (redirects) pass as they are."""
    if error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]
    fault = faults.of_status(error.code, _said_by_us(error))
    response = answer(fault)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "WWW-Authenticate"):
            response.headers[name] = value
    return response


def csrf_error(_error: CSRFError) -> Response:
    """The page was open for too long, or in another sign-in. Nothing was done; htmx gets a new token and may press again."""
    response = answer(faults.page_too_old(again=wants_panel()), typed=_typed())
    if wants_panel():
        response.headers["HX-Trigger"] = json.dumps({"lm:token": {"value": generate_csrf()}})
    return response


def database_error(error: Exception) -> Response:
    """The database does not answer, or refused a statement for a reason outside the request."""
    reference = new_reference()
    log.error("the database does not answer (%s)", reference, exc_info=error)
    return answer(faults.no_database(), reference)


def unforeseen_error(error: Exception) -> Response:
    """A mistake of ours."""
    reference = new_reference()
    original = error.original_exception if isinstance(error, InternalServerError) else error
    log.error("unforeseen error in %s %s (%s)", request.method, asked_for(), reference, exc_info=original)
    return answer(faults.of_status(500), reference)


def answer(fault: Fault, reference: str = "", *, typed: list[tuple[str, str]] | None = None) -> Response:
    """Return the fault as a page, for htmx as a notice above the panel, for a program at the API as JSON."""
    reference = reference or (new_reference() if fault.status >= 500 else "")
    if request.path.startswith(API):
        return _for_programs(fault, reference)
    if wants_panel():
        response = make_response(_draw(fault, reference, block="notice"), fault.status)
        response.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", "HX-Push-Url": "false", "HX-Replace-Url": "false"})
    else:
        response = make_response(_draw(fault, reference, typed=typed or []), fault.status)
    response.vary.add("HX-Request")
    if fault.again:
        response.headers["Retry-After"] = str(fault.again)
    return response


def _for_programs(fault: Fault, reference: str) -> Response:
    response = jsonify({"error": fault.title, "message": fault.text} | ({"reference": reference} if reference else {}))
    response.status_code = fault.status
    if fault.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if fault.again:
        response.headers["Retry-After"] = str(fault.again)
    return response


def new_reference() -> str:
    """Return a short name for this failure that the page shows and the log has: letters, the time in UTC, the process."""
    g.error_reference = f"{secrets.token_hex(2)}-{datetime.now(UTC):%H:%M:%S}-{os.getpid()}"
    return str(g.error_reference)


def _draw(fault: Fault, reference: str, *, block: str = "", typed: list[tuple[str, str]] | None = None) -> str:
    values: dict[str, Any] = {"fault": fault, "reference": reference, "typed": typed or []}
    if block:
        return block_of(current_app.jinja_env, "weefive/errors/notice.html", block, values)
    try:
        return render_template(PAGE, layout="weefive/layout/app.html", **values)
    except Exception:
        # The frame itself needs what is broken (its navigation reads the database): the page is drawn without it.
        log.warning("the page of error %s is drawn without its frame (%s)", fault.status, reference, exc_info=True)
        return current_app.jinja_env.get_template(PAGE).render(layout="weefive/layout/public.html", bare=True, **values)


def _said_by_us(error: HTTPException) -> str:
    return error.description or "" if error.description != type(error).description else ""


def _typed() -> list[tuple[str, str]]:
    """Return what was typed, to be copied from the page: never files, nor anything that may be secret."""
    filled = [(name, value[:20_000]) for name, value in request.form.items(multi=True) if value]
    return [pair for pair in filled if not any(word in pair[0].lower() for word in NOT_SHOWN)][:50]
