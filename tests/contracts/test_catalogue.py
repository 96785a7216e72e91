"""The catalogue that translators get is what the code says, and only literals are looked up in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.factories.pseudo import extracted

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(file for file in (ROOT / "app/templates").rglob("*.*") if file.suffix in {".html", ".txt"})
MODULES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
# A translating function asked for anything but a text that stands there: in a template its answer would be markup, and nobody could translate it.
_VARIABLE = re.compile(r"""(?<![\w.])(?:_|gettext|ngettext)\(\s*(?!["'])[^)\s]""")
TAKES_A_LITERAL = {"_": 1, "_l": 1, "gettext": 1, "lazy_gettext": 1, "words": 1, "marked": 1, "ngettext": 2}


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _ids(catalogue: Catalog) -> set[object]:
    return {message.id for message in catalogue if message.id}


def test_the_template_for_translators_is_what_the_code_says() -> None:
    with (ROOT / "app/translations/messages.pot").open("rb") as stored:
        kept = _ids(read_po(stored))
    assert kept == _ids(extracted()), "python -m app.web.messages > app/translations/messages.pot"


def test_sentences_of_rooms_without_flask_and_labels_of_settings_are_in_it() -> None:
    ids = _ids(extracted())
    assert {"The HTML has %(size)s KB", "Goes right after <body> of HTML mail, hidden, with the campaign’s pre-header in it.",
            "Type the address that the platform's mails come from.", "See reports", ("%(num)s process", "%(num)s processes")} <= ids


@pytest.mark.parametrize("file", TEMPLATES, ids=_name)
def test_a_template_translates_literals_only_and_leaves_the_rest_to_the_filter(file: Path) -> None:
    assert _VARIABLE.findall(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", [file for file in MODULES if "i18n.py" not in file.name and "form_words" not in file.name], ids=_name)
def test_a_module_translates_literals_only(file: Path) -> None:
    wrong = [f"line {call.lineno}" for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(call, ast.Call)
             and isinstance(call.func, ast.Name) and call.func.id in TAKES_A_LITERAL
             and not all(isinstance(argument, ast.Constant) for argument in call.args[:TAKES_A_LITERAL[call.func.id]])]
    assert wrong == []


def test_messages_name_their_values_and_never_the_product() -> None:
    forms = [form for message in _ids(extracted()) for form in (message if isinstance(message, tuple) else (message,))]
    # %sender_domain% is what people type into a setting, and no value.
    assert [form for form in forms if re.search(r"(?<!%)%(?!sender_domain%)[sd]|\{\}", str(form))] == [], "a translator must be able to move each value"
    assert [form for form in forms if "Lettermill" in str(form)] == [], "the product is called what its setting says"
