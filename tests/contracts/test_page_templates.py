"""What every page template keeps to, so that the content policy and the icons hold on pages nobody has opened yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "app/templates/weefive"
PAGES = sorted(file for file in TEMPLATES.rglob("*.html") if "email" not in file.relative_to(TEMPLATES).parts)
ICONS = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "app/static/icons.svg").read_text(encoding="utf-8")))
ICON_USES = re.compile(r"""(?:\bicon=|\bui\.(?:icon|tile)\()["']([a-z0-9-]+)["']""")


def name(file: Path) -> str:
    return file.relative_to(TEMPLATES).as_posix()


def code(file: Path) -> str:
    return re.sub(r"{#.*?#}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_a_template_has_nothing_inline(file: Path) -> None:
    text = code(file)
    assert not re.search(r"""<style|\sstyle=|\shx-on|\son[a-z]+=["']|javascript:|["']js:""", text)
    assert not [tag for tag in re.findall(r"<script[^>]*>", text) if "src=" not in tag or "nonce=" not in tag]


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_a_template_names_only_icons_that_are_in_the_sprite(file: Path) -> None:
    assert {icon for icon in ICON_USES.findall(code(file)) if icon} <= ICONS


@pytest.mark.parametrize("file", [page for page in PAGES if "components" not in page.parts and "layout" not in page.parts], ids=name)
def test_a_page_asks_htmx_through_the_components_and_marks_nothing_as_safe(file: Path) -> None:
    text = code(file)
    assert not re.search(r"\shx-(get|post|put|delete|trigger|target|swap)=", text)
    assert "|safe" not in text.replace(" ", "")


@pytest.mark.parametrize("file", [page for page in PAGES if "components" not in page.parts and "layout" not in page.parts], ids=name)
def test_a_page_adds_to_the_style_sheets_and_scripts_of_a_theme_and_never_replaces_them(file: Path) -> None:
    assert not re.search(r"{%-? block (styles|scripts) -?%}(?!{{ super\(\) }})", code(file))
