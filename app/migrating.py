"""Bringing the database to this version: looked at first, backed up where there is something to lose, then migrated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import sqlalchemy as sa
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import Migrate
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app import backup
from app.config import Config
from app.db import check_server, reading
from app.delivery.servers import settle_test_mailbox
from app.plugins.lifecycle import upgrade_tables
from app.plugins.manager import Plugins

FOLDER = Path(__file__).parent.parent / "migrations"
migrate = Migrate(directory=str(FOLDER), render_as_batch=True, compare_type=True)


def upgrade(config: Config, engine: Engine, plugins: Plugins) -> Iterator[str]:
    """Migrate if a migration is due; yield a line a person may read for each thing done."""
    name = check_server(engine)
    found, wanted = revision(engine), head()
    if found == wanted:
        yield f"{name}: the database is up to date."
    else:
        if kept := backup.automatic_backup(config, engine, "upgrade"):
            yield f"Backed up to {kept}"
        flask_migrate.upgrade()
        yield f"{name}: the database is at {wanted}."
    upgrade_tables(plugins, engine)
    with Session(engine) as session, session.begin():
        settle_test_mailbox(session, config.smtp_port)


def revision(engine: Engine) -> str | None:
    """Return the revision that the database is at, None for an empty one."""
    with reading(), engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    # Plug-ins' branches have heads of their own; ours is the one that our folder knows.
    return next((found for found in heads if _is_ours(found)), None)


def head() -> str:
    """Return the revision that this version of the house wants."""
    return str(_scripts().get_current_head())


def _scripts() -> ScriptDirectory:
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(settings)


def _is_ours(revision_id: str) -> bool:
    return any(script.revision == revision_id for script in _scripts().walk_revisions())


def is_due(engine: Engine) -> bool:
    """Whether pages and workers would meet a database of another version."""
    return revision(engine) != head()


def is_empty(engine: Engine) -> bool:
    """Whether the database holds no table at all."""
    return not sa.inspect(engine).get_table_names()
