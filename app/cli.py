"""The commands: ``flask --app wsgi upgrade | setup-link | demo | backup | restore | settings | plugin | inbound``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import flask_migrate
from flask import Flask
from flask.cli import with_appcontext

from app import backup as backups
from app import migrating
from app.accounts import first_run
from app.db import EVERY_TENANT, db, scoped_to
from app.demo import run_demo
from app.house import House
from app.inbound.command import inbound_cli
from app.plugins.command import plugin_cli
from app.settings.command import settings_cli
from app.settings.sections.system import SystemSettings

GetHouse = Callable[[], House]


def register(app: Flask) -> None:
    """Give the house its commands."""

    def house() -> House:
        return app.extensions["lettermill"]

    for command in (_upgrade(house), _setup_link(house), _demo(house), _backup(house), _restore(house), settings_cli(house), plugin_cli(house),
                    inbound_cli(house)):
        app.cli.add_command(command)


def _upgrade(house: GetHouse) -> click.Command:
    @click.command("upgrade")
    @with_appcontext
    def upgrade() -> None:
        """Bring the database to this version; what it holds is backed up first where a migration is due."""
        for line in migrating.upgrade(house().config, house().engine, house().plugins):
            click.echo(line)

    return upgrade


def _setup_link(house: GetHouse) -> click.Command:
    @click.command("setup-link")
    @with_appcontext
    def setup_link() -> None:
        """Print a new one-time set-up link, or nothing once there is an administrator."""
        secret = first_run.set_up_secret(db.session())
        db.session.commit()
        if secret:
            base = house().settings.load().get(SystemSettings).base_url or house().config.base_url
            click.echo(f"{base}/set-up/{secret}")

    return setup_link


def _demo(house: GetHouse) -> click.Command:
    @click.command("demo")
    @with_appcontext
    def demo() -> None:
        """Make an administrator and 1,000 subscribers, send them the sample campaign, and print what happened."""
        with scoped_to(EVERY_TENANT):
            for line in run_demo(house()):
                click.echo(line)

    return demo


def _backup(house: GetHouse) -> click.Command:
    @click.command("backup")
    @click.option("--to", "target", type=click.Path(path_type=Path), help="The file to write; by default one in the data folder's backups.")
    @with_appcontext
    def backup(target: Path | None) -> None:
        """Write the whole installation into one file: database, key and uploads."""
        try:
            written = backups.backup(house().config, house().engine, target or backups.default_target(house().config))
        except backups.BackupProblem as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"Written: {written}")

    return backup


def _restore(house: GetHouse) -> click.Command:
    @click.command("restore")
    @click.argument("source", type=click.Path(exists=True, path_type=Path))
    @click.option("--replace", is_flag=True, help="Throw away what the database holds now.")
    @with_appcontext
    def restore(source: Path, replace: bool) -> None:
        """Put an installation back from a file that ``flask backup`` wrote."""
        try:
            backups.restore(house().config, house().engine, source, replace=replace, build=lambda to: flask_migrate.upgrade(revision=to))
        except backups.BackupProblem as error:
            raise click.ClickException(str(error)) from error
        click.echo("Restored. Start Lettermill again.")

    return restore
