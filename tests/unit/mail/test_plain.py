"""Plain text made of HTML: what a reader would see, from good markup and from bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app.campaigns
from app.mail.plain import html_to_plain

SAMPLE = Path(app.campaigns.__file__).with_name("sample.html").read_text(encoding="utf-8")
MARKUP = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<div>",
            "</table>",
            "<td",
            ">",
            "<a href='https://x.test'>",
            "</a>",
            "<!--",
            "-->",
            "<style>",
            "</style>",
            "&amp;",
            "&#0;",
            "&#xD800;",
            "text",
            "é😀",
            "\0",
            "<br>",
            "<li>",
            "%Subscriber:FirstName|you%",
            "\r\n",
            "<![CDATA[",
            "<?xml",
            "<svg>",
        ]
    ),
    max_size=20,
).map("".join)


def test_the_sample_campaign_reads_as_a_letter() -> None:
    text = html_to_plain(SAMPLE)

    assert "%Link:Unsubscribe%" in text
    assert "<" not in text.replace("<http", "")
    assert "{" not in text  # No style sheet.
    assert "\n\n\n" not in text
    assert all(line == line.strip() for line in text.split("\n"))
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree\n"),
        ("<h1>Title</h1>body", "Title\n\nbody\n"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b\n"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
        ('<a href="https://x.test/a?b=1&amp;c=2">Go</a>', "Go (https://x.test/a?b=1&c=2)\n"),
        ('<a href="https://x.test">https://x.test</a> <a href="#top">Up</a> <a href="mailto:a@b.test">Write</a>', "https://x.test Up Write (a@b.test)\n"),
        ('<a href="https://x.test"><img src="c.png" alt="The cat"></a>', "The cat (https://x.test)\n"),
        ("<style>p{}</style><script>x()</script><title>t</title><p>a<!-- no -->b</p>", "ab\n"),
        ("Caf&eacute; &amp; &lt;tea&gt;&nbsp;now", "Café & <tea> now\n"),
        ("Hello %Subscriber:FirstName|friend%", "Hello %Subscriber:FirstName|friend%\n"),
        ("", ""),
        ("   \n ", ""),
        ("<!-- only -->", ""),
        ("plain words", "plain words\n"),
        ('<?xml version="1.0" encoding="utf-8"?><html><body><p>X</p></body></html>', "X\n"),
    ],
)
def test_markup_becomes_the_text_that_it_shows(source: str, text: str) -> None:
    assert html_to_plain(source) == text


@pytest.mark.parametrize("source", ["<div>" * 2000 + "deep" + "</div>" * 2000, "<b>" * 1500 + "deep", "<table><tr><td>" * 600 + "deep"])
def test_deep_nesting_is_read_to_its_ground(source: str) -> None:
    assert html_to_plain(source).strip() == "deep"


@pytest.mark.timeout(10)
def test_nesting_that_no_parser_follows_costs_the_text_and_not_the_page() -> None:
    assert html_to_plain("<div>" * 50_000 + "deep").strip() in {"", "deep"}


@given(source=st.one_of(MARKUP, st.text(max_size=100)))
@settings(max_examples=150)
def test_broken_html_is_read_as_far_as_it_goes(source: str) -> None:
    text = html_to_plain(source)

    assert text == "" or text.endswith("\n")
    assert "\0" not in text
