"""Runs imports: one worker at a time has an import, by a lease; a worker that died is replaced when the lease is over."""

from __future__ import annotations

import os
import socket

from sqlalchemy.engine import Connection

from app.audience.imports.running import Tell, run_for
from app.house import House
from app.jobs import RUN_IMPORT, TELL_PLUGINS
from app.plugins.notices import AfterImport, tell
from app.plugins.views import ImportView
from app.processes import leases
from workers.runtime import application, performs

LEASE_S = 30
A_TURN_S = 10.0


@performs(RUN_IMPORT)
def run_import(import_id: int) -> None:
    """Go on with an import for a while, then ring for the next turn: other imports get theirs in between."""
    house: House = application().extensions["lettermill"]
    holder, name = f"{socket.gethostname()}:{os.getpid()}", f"import:{import_id}"
    if not leases.hold(house.engine, name, holder, LEASE_S):
        return
    try:
        is_over = run_for(house.engine, house.config.uploads, import_id, A_TURN_S, _tell(house))
    finally:
        leases.release(house.engine, name, holder)
    if is_over:
        house.jobs.ring(TELL_PLUGINS)
    else:
        house.jobs.ring(RUN_IMPORT, import_id=import_id)


def _tell(house: House) -> Tell:
    """Return what writes the notice for plug-ins, in the transaction that ends the import."""
    enabled = house.plugins.snapshot(house.engine)

    def write(connection: Connection, result: ImportView) -> None:
        tell(connection, enabled, AfterImport(result))

    return write
