"""A sample that fails in everything it does."""

from __future__ import annotations

from app.plugins.api import About, hookimpl

PLUGIN = About(title="Grumpy", version="0.1.0", author="Sample authors", description="Raises in every hook that it implements.")


class Grumble(Exception):
    """What it always raises."""


@hookimpl
def lettermill_filter_campaign() -> None:
    raise Grumble("not this campaign")


@hookimpl
def lettermill_filter_recipients() -> None:
    raise Grumble("not these people")


@hookimpl
def lettermill_filter_message() -> None:
    raise Grumble("not this mail")


@hookimpl
def lettermill_transform_link() -> None:
    raise Grumble("not this link")


@hookimpl
def lettermill_transform_campaign() -> None:
    raise Grumble("not this text")


@hookimpl
def lettermill_after_subscribe() -> None:
    raise Grumble("not them either")


@hookimpl
def lettermill_tpl_page_end() -> None:
    raise Grumble("not here")
