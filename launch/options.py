"""What ``./run`` can be told: its options, and the environment that the processes read."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

EPILOG = """
environment:
  DATABASE_URL     sqlite:///FILE or mysql+pymysql://USER:PASSWORD@HOST/NAME (default: a SQLite file in the data folder)
  REDIS_URL        a Redis-compatible server to use (default: one is started, and kept to this machine)
  TRUSTED_PROXIES  addresses or networks whose X-Forwarded headers are believed, with commas between
  LETTERMILL_KEY   the key that secrets are kept under, base64 (default: the file "key" in the data folder)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line, checked."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    smtp_port: int = 2525
    inbound_port: int = 2526
    inbound_host: str = "127.0.0.1"
    lmtp_port: int = 0
    base_url: str = ""
    content_url: str = ""
    demo: bool = False

    @property
    def address(self) -> str:
        """Where a person on this machine opens the pages."""
        if self.base_url:
            return self.base_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parse(arguments: list[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Return the options, the command line before the environment; exit with status 2 and one line on a mistake."""
    parser = _parser(environ)
    given = parser.parse_args(arguments)
    _check_ports_differ(parser, given)
    return Options(**vars(given) | {"data": Path(given.data).expanduser().absolute()})


def _check_ports_differ(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    taken: dict[int, str] = {}
    for option, port in (("--port", given.port), ("--smtp-port", given.smtp_port), ("--inbound-port", given.inbound_port), ("--lmtp-port", given.lmtp_port)):
        if port and port in taken:
            parser.error(f"{taken[port]} and {option} are both {port}: give one of them another number")
        taken[port] = option


def environment(options: Options, redis_url: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of every process of the house."""
    own = {
        "LETTERMILL_DATA": str(options.data),
        "LETTERMILL_HOST": options.host,
        "LETTERMILL_PORT": str(options.port),
        "LETTERMILL_SMTP_PORT": str(options.smtp_port),
        "LETTERMILL_INBOUND_PORT": str(options.inbound_port),
        "LETTERMILL_INBOUND_HOST": options.inbound_host,
        "LETTERMILL_LMTP_PORT": str(options.lmtp_port or ""),
        "LETTERMILL_BASE_URL": options.base_url,
        "LETTERMILL_CONTENT_URL": options.content_url,
        "REDIS_URL": redis_url,
        "PYTHONUNBUFFERED": "1",
    }
    # An empty variable would read as a choice: what was not chosen stays out. PYTHONPATH was only for finding the supervisor.
    kept = {name: value for name, value in environ.items() if name not in own and name != "PYTHONPATH"}
    return kept | {name: value for name, value in own.items() if value}


class _Line(argparse.ArgumentParser):
    """Says a mistake in one line, without the whole usage before it."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"{message} (./run --help lists the options)\n")


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Line(
        prog="./run",
        description="Set up what is missing, then start Lettermill. Ctrl-C ends everything.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=_port, metavar="N", default=environ.get("LETTERMILL_PORT") or "8000", help="port of the pages (8000)")
    add("--smtp-port", type=_port, metavar="N", default=environ.get("LETTERMILL_SMTP_PORT") or "2525",
        help="port of the test mailbox, on 127.0.0.1 whatever --host says (2525)")
    add("--inbound-port", type=_port, metavar="N", default=environ.get("LETTERMILL_INBOUND_PORT") or "2526",
        help="port of the inbound server: bounces, replies and complaints come in here (2526)")
    add("--inbound-host", metavar="ADDRESS", default=environ.get("LETTERMILL_INBOUND_HOST") or "127.0.0.1",
        help="address the inbound server listens on (127.0.0.1; 0.0.0.0 is every address of this machine)")
    add("--lmtp-port", type=_port, metavar="N", default=environ.get("LETTERMILL_LMTP_PORT") or 0,
        help="port for LMTP, on 127.0.0.1, for a mail server in front (none)")
    add("--host", metavar="ADDRESS", default=environ.get("LETTERMILL_HOST") or "127.0.0.1",
        help="address the pages are served on (127.0.0.1; 0.0.0.0 is every address of this machine)")
    add("--data", metavar="DIR", default=environ.get("LETTERMILL_DATA") or str(ROOT / "data"),
        help="folder of the database, the key file, uploads and logs (data)")
    add("--base-url", type=_url, metavar="URL", default=environ.get("LETTERMILL_BASE_URL") or "",
        help="address that people reach the pages at, such as https://mail.example.com")
    add("--content-url", type=_url, metavar="URL", default=environ.get("LETTERMILL_CONTENT_URL") or "",
        help="address of its own for mail that users wrote, such as https://mail-content.example.com")
    add("--demo", action="store_true", help="make an administrator and 1,000 subscribers, and send them the sample campaign")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return int(text)


def _url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} is not a whole address: begin with http:// or https://")
    return text.rstrip("/")


if __name__ == "__main__":
    parse(sys.argv[1:])
