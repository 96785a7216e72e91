"""How fast a file of people comes into a list: 100,000 lines on SQLite and on MariaDB, from the first chunk to the last.

Run: ``python -m benches.import_rate [LINES]``. MariaDB is a private server; ``DATABASE_URL`` names another one, whose tables are made if they
are not there. The memory is this process's own, before and after: an import holds one chunk, whatever the file's size.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from app.audience.imports import asking
from app.audience.imports.intake import take_in
from app.audience.imports.running import run_for
from app.audience.models import Import
from app.db import Base, make_engine
from tests.factories.sending import every_tenant, make_list, make_user
from tests.services import mariadb

LINES = 100_000
HEADER = "Email,First name,Last name\n"


def _file(lines: int) -> bytes:
    return (HEADER + "".join(f"person{number}@example{number % 50}.com,Anna{number % 100},Berg\n" for number in range(lines))).encode()


def _rate(url: str, folder: Path, data: bytes, lines: int) -> tuple[float, float]:
    """Return lines a second, first into an empty list, then once more over the same people with other names."""
    from sqlalchemy.orm import Session

    engine = make_engine(url)
    Base.metadata.create_all(engine)
    rates = []
    with every_tenant(), Session(engine, expire_on_commit=False) as session:
        found = make_list(session, make_user(session, f"bench{time.time_ns()}"), "Bench", [])
        session.commit()
        for content in (data, data.replace(b",Berg\n", b",Lund\n")):
            row = take_in(session, folder, found, io.BytesIO(content), "bench.csv")
            row.mapping, row.consent = {"0": "email", "1": "first_name", "2": "last_name"}, "bench"
            session.flush()
            asking.begin(session, row)
            session.commit()
            began = time.perf_counter()
            while not run_for(engine, folder, row.id, 10):
                continue
            rates.append(lines / (time.perf_counter() - began))
            over = session.get_one(Import, row.id, populate_existing=True)
            assert over.added + over.updated == lines, "not every line was taken"
            session.commit()
    engine.dispose()
    return rates[0], rates[1]


def main() -> None:
    """Measure and print."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    data = _file(lines)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {"sqlite": f"sqlite:///{folder / 'bench.sqlite3'}",
                   "mariadb": os.environ.get("DATABASE_URL") or stack.enter_context(mariadb.running()).create("bench")}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        rates = {name: _rate(url, folder, data, lines) for name, url in servers.items()}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{'database':<10}{'added/s':>12}{'updated/s':>12}")
    for name, (added, updated) in rates.items():
        print(f"{name:<10}{added:>12,.0f}{updated:>12,.0f}")
    print(f"memory: {before} MB before, {after} MB after {lines:,} lines")
    print(json.dumps({"bench": "import_rate", "sqlite_rows_s": round(rates["sqlite"][0]), "mariadb_rows_s": round(rates["mariadb"][0]),
                      "sqlite_updates_s": round(rates["sqlite"][1]), "mariadb_updates_s": round(rates["mariadb"][1]), "lines": lines, "memory_mb": after}))


if __name__ == "__main__":
    main()
