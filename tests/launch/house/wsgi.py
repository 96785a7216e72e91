"""A stand-in house with the real one's doors, so that the supervisor can be tried without it: pages, /healthz, three commands."""

import os
import sys
from pathlib import Path

import click
from flask import Flask


class Doors(Flask):
    """The application with the one act that the web server asks of the real one."""

    def begin(self) -> None:
        """Nothing speaks here."""


app = application = Doors(__name__)
if os.environ.get("BROKEN") == "web" and "gunicorn" in sys.modules:
    raise RuntimeError("the pages cannot be built")
DATA = Path(os.environ["LETTERMILL_DATA"])


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.get("/environment/<name>")
def environment(name: str) -> str:
    return os.environ.get(name, "")


@app.cli.command()
def upgrade() -> None:
    if os.environ.get("BROKEN") == "upgrade":
        # As SQLAlchemy says it: the reason, then where to read more.
        sys.exit("the database is of a later version\n(Background on this error at: https://sqlalche.me/e/21/e3q8)")
    with (DATA / "kept").open("a", encoding="ascii") as file:
        file.write("upgraded\n")


@app.cli.command("setup-link")
def setup_link() -> None:
    click.echo("a line that is no link")
    click.echo("http://127.0.0.1/set-up/secret-of-the-link")


@app.cli.command()
def demo() -> None:
    click.echo("the demonstration is over")
