"""Backup and restore: one zip file with every table as JSON lines, the key file and the uploaded files.

The dump is portable: what was written from SQLite can be restored into MariaDB, and the other way round. Whoever has the file has
every address and every secret in it, the key included: it is readable by its owner alone, and belongs in a safe place.
"""

from app.backup.dump import automatic_backup, backup, default_target
from app.backup.load import restore
from app.backup.manifest import BackupProblem, Manifest, read_manifest

__all__ = ["BackupProblem", "Manifest", "automatic_backup", "backup", "default_target", "read_manifest", "restore"]
