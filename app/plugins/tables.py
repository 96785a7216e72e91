"""A plug-in's own tables: made when it is first enabled, brought up to date when a newer version of it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.engine import Connection, Engine

from app.db import writing
from app.plugins.installed import Installed
from app.plugins.inventory import own_tables
from app.plugins.loading import Refused
from app.plugins.own import tables_prefix


def bring_up_to_date(engine: Engine, plugin: Installed) -> None:
    """Create or migrate the plug-in's tables; running it again changes nothing. Raises what Alembic or the database raises."""
    about = plugin.about
    if about is None:
        return
    with writing(engine) as connection:
        if about.migrations is not None:
            _migrate(connection, plugin.name, about.migrations)
        elif about.tables is not None:
            about.tables.create_all(connection)


def _migrate(connection: Connection, plugin: str, folder: Path) -> None:
    before = _tables(connection)
    script = ScriptDirectory(str(folder))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("heads", revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        # The table that counts its revisions is the plug-in's own as well, and erased with the rest.
        environment.configure(connection=connection, version_table=tables_prefix(plugin) + "revisions")
        environment.run_migrations()
    made = _tables(connection) - before
    if foreign := made - set(own_tables(made, plugin, ())):
        raise Refused(f"its migrations made {', '.join(sorted(foreign))}; tables of {plugin} begin with {tables_prefix(plugin)}")


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())
