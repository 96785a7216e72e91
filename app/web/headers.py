"""The headers of every answer: what a page may load, and what others may do with it."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

from app.config import Config
from app.settings.sections.system import SystemSettings
from app.web.house import settings

A_YEAR_AND_SUBDOMAINS = "max-age=31536000; includeSubDomains"


def init_headers(app: Flask, config: Config | None = None) -> None:
    """Send the security headers with every answer and give templates ``csp_nonce()``.

    The deployment says whether people reach us over https; by default it is the house's.
    """
    config = config or (app.extensions["lettermill"].config if "lettermill" in app.extensions else Config())
    https = config.is_https
    app.jinja_env.globals["csp_nonce"] = csp_nonce

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", content_policy(csp_nonce(), _content_url(config)))
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if https:
            response.headers.setdefault("Strict-Transport-Security", A_YEAR_AND_SUBDOMAINS)
        if request.endpoint != "static" and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response


def _content_url(config: Config) -> str:
    """Return the host that shows user-written mail: the setting, where this page has read the settings, or the deployment's."""
    return (settings().get(SystemSettings).content_url if "settings" in g else "") or config.content_url


def csp_nonce() -> str:
    """Return this request's nonce: scripts and style elements without it do not run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def content_policy(nonce: str, content_url: str = "") -> str:
    """Return the Content-Security-Policy of our own pages (architecture, security ground rules)."""
    frames = f"'self' {content_url}".strip()
    return "; ".join((
        "default-src 'self'", f"script-src 'self' 'nonce-{nonce}'", f"style-src 'self' 'nonce-{nonce}'", "img-src 'self' data:",
        "font-src 'self'", "connect-src 'self'", f"frame-src {frames}", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'",
        "object-src 'none'",
    ))
