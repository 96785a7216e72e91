"""``flask plugin new NAME``: a package with a plug-in that works, and tests that pass."""

from __future__ import annotations

from pathlib import Path
from string import Template

from app.plugins.declarations import API_VERSION
from app.plugins.loading import NAME, Refused

MODELS = Path(__file__).parent / "skeleton_files"
# model -> where it goes; $name stands for the plug-in's name.
FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "plugin.py.txt": "lettermill_$name/__init__.py",
    "settings.py.txt": "lettermill_$name/settings.py",
    "routes.py.txt": "lettermill_$name/pages.py",
    "page.html.txt": "lettermill_$name/templates/page.html",
    "conftest.py.txt": "tests/conftest.py",
    "tests.py.txt": "tests/test_$name.py",
}


def make(name: str, parent: Path, title: str = "") -> Path:
    """Write the package into ``parent``/lettermill-<name> and return that folder; raise Refused where that cannot be."""
    if not NAME.fullmatch(name):
        raise Refused(f"a plug-in's name has 2 to 40 small letters, digits and underscores, and begins with a letter; not {name!r}")
    folder = parent / f"lettermill-{name.replace('_', '-')}"
    if folder.exists():
        raise Refused(f"{folder} exists; choose another name, or another folder with --in")
    values = {"name": name, "title": title or name.replace("_", " ").capitalize(), "api": ".".join(API_VERSION.split(".")[:2]),
              "class_name": "".join(part.capitalize() for part in name.split("_")), "package": folder.name}
    for model, place in FILES.items():
        target = folder / Template(place).substitute(values)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template((MODELS / model).read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
    return folder
