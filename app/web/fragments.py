"""Answer the same URL with a page for a browser and a panel for htmx."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, current_app, make_response, render_template, request
from jinja2 import Environment
from jinja2.runtime import Context

Draw = Callable[[Context], Iterator[str]]


class BlockMissing(LookupError):
    """A template that has no block of the wanted name, neither itself nor in what it extends."""


def wants_panel() -> bool:
    """Return whether htmx asked for a part of the page, and not a browser, or htmx restoring a page from history, for all of it."""
    headers = request.headers
    return "HX-Request" in headers and "HX-History-Restore-Request" not in headers and headers.get("HX-Request-Type") != "full"


def page_or_panel(template: str, *, status: int = 200, block: str = "panel", **context: object) -> Response:
    """Draw the whole template, or for htmx only its block ``block``; always ``Vary``, so that a cache never mixes the two.

    An invalid form is answered with ``status=422``. Raises BlockMissing for a template without that block.
    """
    html = render_block(template, block, **context) if wants_panel() else render_template(template, **context)
    response = make_response(html, status)
    response.vary.add("HX-Request")
    return response


def refresh_when_moved(response: Response, state: str) -> Response:
    """Let a page that renews its panel be drawn anew as a whole when the state it shows in its header (``?was=``) has moved on."""
    if wants_panel() and request.args.get("was", state) != state:
        response.headers["HX-Refresh"] = "true"
    return response


def render_block(template: str, block: str, **context: object) -> str:
    """Return one block of a template as a theme and all it extends have it; raises BlockMissing."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    values = dict(context)
    app.update_template_context(values)
    return block_of(app.jinja_env, template, block, values)


def block_of(environment: Environment, template: str, block: str, values: dict[str, object]) -> str:
    """Return one block, drawn with ``values``; raises BlockMissing.

    The template is run up to its first letter of output: by then every template it extends has said which blocks it has, so a
    theme that overrides one block of a page still answers htmx with the page's others, and ``super()`` works.
    """
    page = environment.get_template(template)
    context = page.new_context(values)
    try:
        next(iter(page.root_render_func(context)), None)
        return environment.concat(_first(context.blocks, block, template)(context))
    except BlockMissing:
        raise
    except Exception:  # noqa: BLE001 - raised again, with the template's own lines in the traceback instead of compiled ones
        environment.handle_exception()


def _first(blocks: dict[str, list[Draw]], block: str, template: str) -> Draw:
    if block not in blocks:
        raise BlockMissing(f"{template} has no block named {block}")
    return blocks[block][0]
