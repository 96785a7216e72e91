"""Sentences that carry what they are made of: English for everything that stores and compares, whole for whoever translates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from markupsafe import Markup

from app.web.catalogues import folders_of, languages
from app.web.i18n import init_i18n, translated
from app.words import Words, marked, words, words_of

GERMAN = '''
msgid ""
msgstr ""
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Use %(most)s characters or fewer."
msgstr "Höchstens %(most)s Zeichen."

msgid "Line %(number)s: %(problem)s"
msgstr "%(problem)s (Zeile %(number)s)"

msgid "%(num)s link"
msgid_plural "%(num)s links"
msgstr[0] "%(num)s Verweis"
msgstr[1] "%(num)s Verweise"

msgid "See <b>reports</b>"
msgstr "Berichte <b>sehen</b>"
'''


@pytest.fixture
def german(tmp_path: Path) -> Flask:
    """A page that is read in German, whose catalogue nobody has compiled."""
    place = tmp_path / "sources/de/LC_MESSAGES"
    place.mkdir(parents=True)
    (place / "messages.po").write_text(GERMAN, encoding="utf-8")
    app = Flask("tests")
    init_i18n(app, lambda: "de", lambda: "UTC", folders_of([tmp_path / "sources"], tmp_path / "kept"))
    return app


def test_a_sentence_is_its_english_everywhere_else() -> None:
    said = words("Use %(most)s characters or fewer.", most=2000)
    assert said == "Use 2,000 characters or fewer."
    assert json.dumps({"why": said}) == '{"why": "Use 2,000 characters or fewer."}'
    assert (str(words_of(1, "%(num)s link", "%(num)s links")), words_of(2, "%(num)s link", "%(num)s links")) == ("1 link", "2 links")
    assert words("95 % of it") == "95 % of it"


def test_an_exception_keeps_the_sentence_that_it_was_raised_with() -> None:
    assert isinstance(str(ValueError(words("Type %(what)s.", what="it"))), Words)


def test_a_page_says_it_in_the_readers_language_with_its_values(german: Flask) -> None:
    with german.test_request_context():
        assert translated(words("Use %(most)s characters or fewer.", most=2000)) == "Höchstens 2.000 Zeichen."
        inner = words("Use %(most)s characters or fewer.", most=5)
        assert translated(ValueError(words("Line %(number)s: %(problem)s", number=3, problem=inner))) == "Höchstens 5 Zeichen. (Zeile 3)"
        assert [translated(words_of(count, "%(num)s link", "%(num)s links")) for count in (1, 1200)] == ["1 Verweis", "1.200 Verweise"]


def test_what_no_catalogue_knows_and_what_says_nothing_stay_as_they_are(german: Flask) -> None:
    with german.test_request_context():
        assert [translated(text) for text in ("", "100 % Ada", words(""), marked("x"))] == ["", "100 % Ada", "", "x"]


def test_a_text_from_a_variable_is_never_markup(german: Flask) -> None:
    with german.test_request_context():
        drawn = german.jinja_env.from_string("{{ text|translated }}")
        assert drawn.render(text="See <b>reports</b>") == "Berichte &lt;b&gt;sehen&lt;/b&gt;"
        assert not isinstance(translated("See <b>reports</b>"), Markup)


def test_a_language_is_a_file_and_nothing_else(german: Flask) -> None:
    with german.test_request_context():
        assert languages() == ["en", "de"]


def test_a_translation_that_misspells_a_value_is_left_out_and_breaks_no_page(tmp_path: Path) -> None:
    place = tmp_path / "sources/de/LC_MESSAGES"
    place.mkdir(parents=True)
    (place / "messages.po").write_text(GERMAN.replace("Höchstens %(most)s", "Höchstens %(meist)s"), encoding="utf-8")
    app = Flask("tests")
    init_i18n(app, lambda: "de", lambda: "UTC", folders_of([tmp_path / "sources"], tmp_path / "kept"))
    with app.test_request_context():
        assert translated(words("Use %(most)s characters or fewer.", most=5)) == "Use 5 characters or fewer."
        assert translated(words_of(1, "%(num)s link", "%(num)s links")) == "1 Verweis"


def test_a_catalogue_with_a_mistake_is_passed_over_and_one_that_was_mended_is_read(tmp_path: Path) -> None:
    place = tmp_path / "sources/de/LC_MESSAGES"
    place.mkdir(parents=True)
    (place / "messages.po").write_bytes(GERMAN.replace("ö", "\xf6").encode("latin-1"))
    folders = folders_of([tmp_path / "sources"], tmp_path / "kept")
    assert list((tmp_path / "kept").rglob("*.mo")) == []
    (place / "messages.po").write_text(GERMAN, encoding="utf-8")
    assert folders_of([tmp_path / "sources"], tmp_path / "kept") == folders
    assert [file.name for file in (tmp_path / "kept").rglob("*.mo")] == ["messages.mo"]
