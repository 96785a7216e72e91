"""``app/translations/messages.pot``: every message that a person may read, for translators; a test compares it.

The code and the templates are read as babel.cfg says, and so are the declarations of settings, whose labels and help stand in no call of a
translating function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import write_po

from app.plugins.builtin import google_analytics
from app.settings.schema import specs
from app.settings.sections import CORE

ROOT = Path(__file__).resolve().parents[2]
KEYWORDS: dict[str, Any] = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None, "words": None, "marked": None, "words_of": (2, 3)}
OF_PLUG_INS = (google_analytics.SourceSettings, google_analytics.CampaignOptions)


def messages() -> Catalog:
    """Return the catalogue of all messages, sorted, each with the files that it stands in."""
    catalogue = Catalog(project="Lettermill", charset="utf-8", fuzzy=False)
    for file, message, comments in sorted(_found(), key=lambda one: (str(one[1]), one[0])):
        catalogue.add(message, None, [(file, 0)] if (file, 0) not in _places(catalogue, message) else [], auto_comments=comments)
    return catalogue


def _places(catalogue: Catalog, message: Any) -> list[tuple[str, int]]:
    known = catalogue.get(message if isinstance(message, str) else message[0])
    return list(known.locations) if known else []


def _found() -> Iterator[tuple[str, Any, list[str]]]:
    with (ROOT / "babel.cfg").open(encoding="utf-8") as rules:
        methods, options = parse_mapping_cfg(rules, "babel.cfg")
    for file, _line, message, comments, _context in extract_from_dir(ROOT, methods, options, KEYWORDS):
        yield file, message, comments
    for section in (*CORE, *OF_PLUG_INS):
        file = section.__module__.replace(".", "/") + (".py" if section in CORE else "/__init__.py")
        yield from ((file, message, []) for message in _declared(section) if message)
    yield "app/plugins/builtin/google_analytics/__init__.py", google_analytics.PLUGIN.description, []


def _declared(section: Any) -> Iterator[str]:
    """What a section's tab shows of its declaration."""
    yield from (section.title, section.group, (section.__doc__ or "").split("\n")[0])
    for spec in specs(section).values():
        yield from (spec.label, spec.help, spec.unit, spec.placeholder, *(label for _value, label in spec.options()))


def document() -> bytes:
    """Return the whole file."""
    out = BytesIO()
    out.write(b"# The messages of the pages and mails. Made by python -m app.web.messages; how to add a language: docs/operators.md.\n")
    write_po(out, messages(), width=0, sort_output=True, omit_header=True, include_lineno=False)
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(document())
