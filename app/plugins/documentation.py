"""docs/hooks.md, made from the hook specifications: each hook with its exact arguments and its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from app.plugins import hookspecs

HEAD = """# Hooks

Made from `app/plugins/hookspecs.py` by `flask --app wsgi plugin hooks`; a test compares the two.
How to write a plug-in: [plugins.md](plugins.md).

An implementation takes only the arguments that it needs, by these names. `own` is what belongs to the plug-in itself:
`own.settings(Section)`, `own.options(Section, campaign_id)`, `own.data`, `own.folder`, `own.redis` with `own.key(name)`,
`own.reading()`, `own.writing()`, `own.log`.
"""

COLLECTED = ("settings_sections", "campaign_options", "blueprints", "template_folder", "menu_items", "merge_tags", "delivery_channels")
GROUPS = (
    ("Collect", COLLECTED),
    ("Decide", ("filter_",)),
    ("Transform", ("transform_", "recipient_values")),
    ("Notice", ("after_",)),
    ("Template", ("tpl_",)),
)


def hooks() -> dict[str, Callable[..., Any]]:
    """Return every hook by its whole name, in the order in which they are written down."""
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("lettermill_")}


def page() -> str:
    """Return the whole page in Markdown."""
    return "\n".join([HEAD, *_groups()])


def _groups() -> Iterator[str]:
    for title, starts in GROUPS:
        yield f"## {title}\n"
        for name, hook in hooks().items():
            if name.removeprefix("lettermill_").startswith(starts):
                yield _entry(name, hook)


def _entry(name: str, hook: Callable[..., Any]) -> str:
    # Annotations are texts here (postponed); the signature would quote them.
    signature = str(inspect.signature(hook)).replace("'", "")
    return f"### {name}\n\n```python\n{name}{signature}\n```\n\n{_markdown(inspect.getdoc(hook) or '')}\n"


def _markdown(text: str) -> str:
    text = text.replace("``", "`")
    return re.sub(r"^:param (\w+): ", r"- `\1`: ", text, flags=re.MULTILINE)
