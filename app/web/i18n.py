"""The reader's language and zone, and how numbers, sizes and moments are said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

from babel.core import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import Babel, get_domain, get_locale, get_timezone, gettext, ngettext
from flask_babel.speaklater import LazyString
from markupsafe import Markup

from app.words import Words

NO_BREAK = "\N{NO-BREAK SPACE}"
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
MOST_SIZES = 5


def init_i18n(app: Flask, locale_of: Callable[[], str | None], zone_of: Callable[[], str | None], folders: Iterable[str] = ("translations",)) -> None:
    """Set up Flask-Babel and the filters of pages.

    ``locale_of`` returns the reader's language such as ``en`` or ``pt_BR``, ``zone_of`` the zone such as ``Europe/Oslo``; None means
    the defaults of the app's configuration (English, UTC). ``folders`` hold the compiled catalogues; a later one goes before an earlier.
    """
    app.config.setdefault("BABEL_TRANSLATION_DIRECTORIES", ";".join(folders))
    Babel(app, locale_selector=locale_of, timezone_selector=zone_of)
    app.jinja_env.filters.update(number=number, percent=percent, bytes=size, duration=duration)
    app.jinja_env.filters.update(translated=translated)
    app.jinja_env.filters.update(when=when, clock=clock, day=day, exact=exact)
    app.jinja_env.globals.update(when=when, page_language=page_language, page_direction=page_direction, zone_name=zone_name,
                                 size_units=size_units)


def translated(text: object) -> str:
    """Return a text, or what an exception says, in the reader's language: plain text always, never markup.

    For what comes from a variable: sentences of the rooms below (app/words.py), labels of settings, titles of plug-ins. What no catalogue
    knows, a name that somebody typed above all, stays as it is.
    """
    said = str(text)
    if not isinstance(said, Words):
        return gettext(str.__str__(said)) if said else ""
    if not said.values:
        return gettext(said.template) if said else ""
    values = {name: _value_said(value) for name, value in said.values.items()}
    if not said.many:
        return gettext(said.template, **values)
    # Flask-Babel's own ngettext would put in the count as it is, without the locale's separators.
    return str(get_domain().get_translations().ungettext(said.template, said.many, said.number) % values)


def translated_later(text: object) -> LazyString:
    """Return what says ``translated(text)`` anew each time it is drawn: for the labels of forms, which are made before anybody reads them."""
    return LazyString(translated, text)


def _value_said(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value)
    return translated(value) if isinstance(value, Words) else value


def _locale() -> Locale:
    return get_locale() or Locale("en")


def _date_locale() -> Locale:
    # Plain English says "12 November"; only who asked for another English gets its order.
    locale = _locale()
    return Locale("en", "GB") if str(locale) == "en" else locale


def page_language() -> str:
    """Return the ``lang`` of the page."""
    return str(_locale()).replace("_", "-")


def page_direction() -> str:
    """Return the ``dir`` of the page: ``rtl`` or ``ltr``."""
    return "rtl" if _locale().language in RIGHT_TO_LEFT else "ltr"


def zone_name() -> str:
    """Return the name of the reader's zone, such as ``Europe/Oslo``."""
    return str(get_timezone())


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with the locale's separators, rounded to ``digits`` places; a dash for None."""
    if value is None:
        return "–"
    return format_decimal(round(value, digits), format="#,##0" + ("." + "0" * digits if digits else ""), locale=_locale())


def percent(ratio: float | None, digits: int = 1) -> str:
    """Return a ratio (0.594) as a percentage ("59.4 %"), without a zero at its end; a dash for None."""
    if ratio is None:
        return "–"
    return _joined(gettext("%(share)s %%", share=format_decimal(round(ratio * 100, digits), format="#,##0." + "#" * max(digits, 1), locale=_locale())))


def size(count: float | None) -> str:
    """Return bytes as people say them: 812 B, 38 KB, 6.1 MB (1 KB is 1000 bytes); a dash for None."""
    if count is None:
        return "–"
    step = 0
    while count >= 1000 and step < MOST_SIZES - 1:
        count, step = count / 1000, step + 1
    return _joined(gettext("%(count)s %(unit)s", count=number(count, 1 if step and count < 10 else 0), unit=size_units().split()[step]))


def size_units() -> str:
    """Return what sizes are counted in, each 1000 of the one before, with spaces between."""
    return str(gettext("B KB MB GB TB"))


def duration(seconds: float | timedelta | None) -> str:
    """Return a length of time in its largest unit that fits: 41 ms, 1.2 s, 4 min, 1 h 5 min, 2 days; a dash for None."""
    if seconds is None:
        return "–"
    seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if seconds < 1:
        return _joined(gettext("%(count)s ms", count=number(seconds * 1000)))
    if seconds < 120:
        return _joined(gettext("%(count)s s", count=number(seconds, 1 if seconds < 10 and seconds % 1 else 0)))
    return _long_duration(int(seconds // 60))


def _long_duration(minutes: int) -> str:
    if minutes < 60:
        return _joined(gettext("%(count)s min", count=minutes))
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        whole = _joined(gettext("%(count)s h", count=hours))
        return whole + (" " + _joined(gettext("%(count)s min", count=rest)) if rest else "")
    return _joined(ngettext("%(num)s day", "%(num)s days", hours // 24))


def _joined(words: str) -> str:
    return str(words).replace(" ", NO_BREAK)


def local(moment: datetime) -> datetime:
    """Return an aware moment in the reader's zone."""
    return moment.astimezone(get_timezone() or UTC)


def clock(moment: datetime | None, *, seconds: bool = False) -> str:
    """Return the time of day, 08:51 or 08:51:07, in the reader's zone; a dash for None."""
    return "–" if moment is None else format_datetime(local(moment), "HH:mm:ss" if seconds else "HH:mm", locale=_date_locale(), tzinfo=None)


def day(moment: datetime | None) -> str:
    """Return the day, "12 November" or, in another year, "12 November 2024"; a dash for None."""
    if moment is None:
        return "–"
    then, now = local(moment), local(datetime.now(UTC))
    if then.year != now.year:
        return format_date(then, "long", locale=_date_locale())
    return format_skeleton("MMMMd", then, tzinfo=None, locale=_date_locale())


def short_day(found: date) -> str:
    """Return a day as it stands under a chart, "12 Nov"."""
    return format_skeleton("MMMd", datetime(found.year, found.month, found.day, tzinfo=UTC), tzinfo=UTC, locale=_date_locale())


def exact(moment: datetime | None) -> str:
    """Return the whole instant with its zone, "2026-11-23 08:51:07 Europe/Oslo", for titles and evidence."""
    return "–" if moment is None else local(moment).strftime("%Y-%m-%d %H:%M:%S ") + zone_name()


def spoken(moment: datetime) -> str:
    """Return a moment as people say it: 08:51 today, "Friday 16:20" within six days, else "12 November"."""
    then, now = local(moment), local(datetime.now(UTC))
    distance = abs((then.date() - now.date()).days)
    if distance == 0:
        return clock(moment)
    if distance < 7:
        return format_datetime(then, "EEEE HH:mm", locale=_date_locale(), tzinfo=None)
    return day(moment)


def when(moment: datetime | None, *, full: bool = False) -> Markup:
    """Return a ``<time>`` that says a moment as people do; its title has the exact instant. ``full`` adds the time to any day."""
    if moment is None:
        return Markup("–")
    words = spoken(moment)
    if full and ":" not in words:
        words = f"{words}, {clock(moment)}"
    instant = moment.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(instant, exact(moment), words)
