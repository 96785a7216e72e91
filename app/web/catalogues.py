"""The catalogues of translations: where they are found, and which languages they offer.

Ours, each plug-in's and each theme's are folders of ``<language>/LC_MESSAGES/messages.po`` (or ``.mo``). A ``.po`` is compiled when a process
starts, into the data folder, so that a new language is a file and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from babel.core import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from flask import current_app
from flask_babel import get_babel

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).resolve().parent.parent / "translations"
ENGLISH = "en"


def folders_of(sources: Iterable[Path], kept: Path) -> list[str]:
    """Return the folders that hold compiled catalogues, the later ones said before the earlier; what is a ``.po`` is compiled below ``kept``."""
    found: list[str] = []
    for source in sources:
        if source.is_dir():
            place = kept / hashlib.sha256(str(source).encode()).hexdigest()[:12]
            for catalogue in sorted(source.glob("*/LC_MESSAGES/messages.po")):
                _compile(catalogue, place / catalogue.relative_to(source).with_suffix(".mo"))
            found += [str(source), str(place)]
    return found


def _compile(catalogue: Path, target: Path) -> None:
    if target.exists() and target.stat().st_mtime_ns >= catalogue.stat().st_mtime_ns:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with catalogue.open("rb") as text:
            read = read_po(text, locale=catalogue.parent.parent.name, abort_invalid=True)
    except (PoFileError, UnknownLocaleError, ValueError) as error:
        # A language with a mistake in it must not keep the house from starting.
        log.error("a catalogue of translations cannot be read", extra={"file": str(catalogue), "why": str(error)})  # noqa: TRY400
        return
    for message, mistakes in read.check():
        # A value misspelt in a translation would be an error on the page: the English stands in.
        log.warning("a translation is left out", extra={"file": str(catalogue), "english": str(message.id)[:80], "why": str(mistakes[0])})
        message.string = ("",) * len(message.string) if isinstance(message.string, tuple) else ""
    # Several processes start at once: each puts a whole file into place.
    with NamedTemporaryFile(dir=target.parent, delete=False) as made:
        write_mo(made, read)
    Path(made.name).replace(target)


def languages() -> list[str]:
    """Return the codes of the languages that pages can be read in, English first."""
    found: list[str] = current_app.extensions.setdefault("lettermill_languages", [])
    if not found:
        found += [ENGLISH, *sorted(_codes() - {ENGLISH})]
    return found


def _codes() -> set[str]:
    return {path.parent.parent.name for folder in get_babel().translation_directories for path in Path(folder).glob("*/LC_MESSAGES/messages.mo")
            if _is_locale(path.parent.parent.name)}


def _is_locale(code: str) -> bool:
    with suppress(UnknownLocaleError, ValueError):
        return Locale.parse(code) is not None
    return False


def language_choices() -> list[tuple[str, str]]:
    """Return (code, name) of each language; a language is named in itself, so that who reads nothing else finds it."""
    return [(code, (Locale.parse(code).get_display_name(code) or code).capitalize()) for code in languages()]


def known_language(wanted: str | None) -> str:
    """Return the language if there is a catalogue for it, else English."""
    return wanted if wanted in languages() else ENGLISH
