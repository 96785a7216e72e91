"""Where plug-ins are found: packages with an entry point in the group ``lettermill.plugins``, and the ones that ship with us."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, PackageMetadata, entry_points
from pkgutil import iter_modules

from app.plugins import builtin
from app.plugins.installed import Source

GROUP = "lettermill.plugins"


def find_sources() -> list[Source]:
    """Return every plug-in of this environment: ours first, then the packages, each by name, whatever the order on disk."""
    return [*sorted(_shipped(), key=_name), *sorted(_packages(), key=_name)]


def _name(source: Source) -> str:
    return source.name


def _shipped() -> Iterable[Source]:
    for module in iter_modules(builtin.__path__):
        yield Source(name=module.name, load=partial(import_module, f"{builtin.__name__}.{module.name}"))


def _packages() -> Iterable[Source]:
    for point in entry_points(group=GROUP):
        yield _described(point)


def _described(point: EntryPoint) -> Source:
    if point.dist is None:
        return Source(name=point.name, load=point.load)
    known = point.dist.metadata
    return Source(name=point.name, load=point.load, version=point.dist.version, author=_field(known, "Author"),
                  description=_field(known, "Summary"))


def _field(known: PackageMetadata, name: str) -> str:
    return str(known[name]) if name in known else ""
