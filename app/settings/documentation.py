"""``docs/settings.md``, made from the declarations; a test compares it."""

from __future__ import annotations

from typing import Any

from app.settings.kinds import Spec, as_text
from app.settings.schema import specs
from app.settings.sections import CORE

HEAD = """# Settings

Made from the declarations in `app/settings/sections/` (`python -m app.settings.documentation > docs/settings.md`). Every setting is in
force with the next message or request; nothing restarts. The key is the name in the API (`PATCH /api/v1/settings/<section>`) and at the
terminal (`flask settings set <section>.<name> <value>`).
"""


def document() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(section) for section in CORE)


def _section(section: Any) -> str:
    rows = "".join(_row(section, name, spec) for name, spec in specs(section).items())
    intro = " ".join((section.__doc__ or "").split())
    head = "| Setting | Key | Kind | Default | What it does |\n|---|---|---|---|---|\n"
    return f"\n## {section.group} › {section.title} (`{section.section_name}`)\n\n{intro}\n\n{head}{rows}"


def _row(section: Any, name: str, spec: Spec) -> str:
    default = _default(spec, getattr(section(), name))
    cells = (spec.label, f"`{name}`", _kind(spec), f"`{default}`" if default else "empty", spec.help)
    return "| " + " | ".join(cell.replace("|", "\\|") if "`" in cell else _plain(cell) for cell in cells) + " |\n"


def _default(spec: Spec, value: Any) -> str:
    if spec.kind == "switch":
        return "on" if value else "off"
    return " ".join(as_text(spec, value).split())


def _kind(spec: Spec) -> str:
    if spec.kind in {"integer", "number"}:
        return f"{spec.kind}, {spec.minimum} to {spec.maximum} {spec.unit}".rstrip()
    if spec.kind == "choice":
        return "one of " + ", ".join(value for value, _label in spec.options()) + (", and what plug-ins add" if spec.more else "")
    return spec.kind.replace("_", " ")


def _plain(text: str) -> str:
    """Escape what Markdown would take for its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - this is what the command is for
