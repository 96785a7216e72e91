"""What the deployment fixes: the environment, read once into a frozen value.

Whatever an administrator may change while the house runs is a setting (app/settings), never an entry here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

Network = IPv4Network | IPv6Network


class ConfigError(ValueError):
    """A variable of the environment that cannot be used; the message says what to set instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The deployment, as the environment describes it.

    ``base_url`` is where people reach the pages and tracking; ``content_url`` is where mail that users wrote is shown, on a
    host of its own when one is set. Both are absolute, without a trailing slash.
    """

    data: Path = Path("data")
    database_url: str = "sqlite:///data/lettermill.sqlite3"
    redis_url: str = "redis://127.0.0.1:6379/0"
    base_url: str = "http://127.0.0.1:8000"
    content_url: str = ""
    base_url_locked: bool = False
    content_url_locked: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    smtp_port: int = 2525
    # Where mail from outside is taken; a port of 0 is no LMTP. The certificate is for STARTTLS; without one it is not offered.
    inbound_host: str = "127.0.0.1"
    inbound_port: int = 2526
    lmtp_port: int = 0
    inbound_certificate: Path | None = None
    inbound_key: Path | None = None
    themes: tuple[Path, ...] = ()
    key: str = field(default="", repr=False)
    testing: bool = False

    @property
    def journal(self) -> Path:
        """The folder of the slot journals; on a named volume of its own where there are many machines."""
        return Path(os.environ.get("LETTERMILL_JOURNAL", "")) if os.environ.get("LETTERMILL_JOURNAL") else self.data / "journal"

    @property
    def uploads(self) -> Path:
        """The folder of uploaded files: imports that wait, attachments, media."""
        return self.data / "uploads"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one file on this machine."""
        return self.database_url.startswith("sqlite")

    @property
    def is_https(self) -> bool:
        """Whether people reach the pages over https."""
        return self.base_url.startswith("https://")


def from_environment(environ: Mapping[str, str] | None = None) -> Config:
    """Return the deployment that the environment describes; raise ConfigError for a value that cannot be used."""
    env = os.environ if environ is None else environ
    data = Path(env.get("LETTERMILL_DATA") or "data").absolute()
    port = env.get("LETTERMILL_PORT") or "8000"
    return Config(
        data=data,
        database_url=_database_url(env.get("DATABASE_URL") or f"sqlite:///{data / 'lettermill.sqlite3'}"),
        redis_url=env.get("REDIS_URL") or "redis://127.0.0.1:6379/0",
        base_url=_url(env, "LETTERMILL_BASE_URL") or _own_address(env.get("LETTERMILL_HOST") or "127.0.0.1", port),
        content_url=_url(env, "LETTERMILL_CONTENT_URL"),
        base_url_locked=bool(env.get("LETTERMILL_BASE_URL")),
        content_url_locked=bool(env.get("LETTERMILL_CONTENT_URL")),
        trusted_proxies=_networks(env.get("TRUSTED_PROXIES", "")),
        smtp_port=_port("LETTERMILL_SMTP_PORT", env.get("LETTERMILL_SMTP_PORT") or "2525"),
        inbound_host=env.get("LETTERMILL_INBOUND_HOST") or "127.0.0.1",
        inbound_port=_port("LETTERMILL_INBOUND_PORT", env.get("LETTERMILL_INBOUND_PORT") or "2526"),
        lmtp_port=_port("LETTERMILL_LMTP_PORT", env["LETTERMILL_LMTP_PORT"]) if env.get("LETTERMILL_LMTP_PORT") else 0,
        inbound_certificate=_path(env.get("LETTERMILL_INBOUND_CERTIFICATE")),
        inbound_key=_path(env.get("LETTERMILL_INBOUND_KEY")),
        themes=tuple(Path(folder) for folder in env.get("LETTERMILL_THEMES", "").split(os.pathsep) if folder),
        key=env.get("LETTERMILL_KEY", ""),
    )


def _own_address(host: str, port: str) -> str:
    """Return where the pages are reached on this machine, or at the one address that they listen on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _database_url(url: str) -> str:
    if url.startswith(("mysql://", "mariadb://")):
        url = "mysql+pymysql://" + url.split("://", 1)[1]
    if not url.startswith(("sqlite:", "mysql+pymysql:")):
        raise ConfigError("DATABASE_URL must begin with sqlite:/// or mysql+pymysql://")
    if url.startswith("mysql") and "charset=" not in url:
        url += ("&" if "?" in url else "?") + "charset=utf8mb4"
    return url


def _url(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").rstrip("/")
    if value and not value.startswith(("http://", "https://")):
        raise ConfigError(f"{name} must be a whole address, such as https://mail.example.com")
    if not value.isascii():
        raise ConfigError(f"{name} must be in ASCII: write an international name as DNS has it, beginning with xn--")
    return value


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, with commas between: {error}") from error


def _path(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


def _port(name: str, text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ConfigError(f"{name} must be a number from 1 to 65535")
    return int(text)
