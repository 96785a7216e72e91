"""Links in what an author wrote: found, numbered, and no byte around them changed."""

from __future__ import annotations

import html as html_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail.links import Link, split_links, split_plain_links

PARTS = st.lists(
    st.sampled_from(
        [
            '<a href="https://shop.example/?a=1&amp;b=2">',
            "<a href='http://x.example'>",
            "<a href=https://x.example/y class=b>",
            '<A HREF = "HTTPS://X.example">',
            '<a class="x>y" href="https://q.example">',
            '<!-- <a href="https://no.example"> -->',
            '<style>a[href="https://no.example"]{}</style>',
            '<area href="https://m.example">',
            "<a href=",
            "<a",
            "</a>",
            ">",
            '"',
            "'",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "text",
            "é",
            "\r\n",
            "%Link:Unsubscribe%",
            '<a data-href="https://no.example">',
            "https://plain.example/a.",
            "(http://p.example)",
            "<",
            '<a\nhref\n=\n"https://nl.example"\n>',
        ]
    ),
    max_size=14,
).map("".join)
TEXT = st.one_of(PARTS, st.text(max_size=120))


def _joined(source: str, pieces: tuple[str | Link, ...]) -> bool:
    """Whether the pieces are the source, each link standing for some spelling of its address there."""
    at = 0
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            if not source.startswith(piece, at):
                return False
            at += len(piece)
        else:
            following = pieces[index + 1]
            assert isinstance(following, str)
            at = source.find(following, at) if index + 2 < len(pieces) else len(source) - len(following)
    return at == len(source)


@given(source=TEXT)
@settings(max_examples=150)
def test_everything_but_the_addresses_stays_byte_for_byte(source: str) -> None:
    for pieces in (split_links(source), split_plain_links(source)):
        texts = pieces[::2]
        assert all(isinstance(piece, str) for piece in texts)
        assert all(isinstance(piece, Link) for piece in pieces[1::2])
        assert _joined(source, pieces)
        if len(pieces) == 1:
            assert pieces[0] == source


@given(source=TEXT)
@settings(max_examples=100)
def test_what_is_put_back_is_found_again(source: str) -> None:
    pieces = split_links(source)
    once = "".join(piece if isinstance(piece, str) else html_module.escape(piece.url) for piece in pieces)

    again = split_links(once)
    assert [piece.url for piece in again if isinstance(piece, Link)] == [piece.url for piece in pieces if isinstance(piece, Link)]


@pytest.mark.parametrize(
    ("source", "urls"),
    [
        ('<a href="https://a.example/?x=1&amp;y=2">A</a>', ["https://a.example/?x=1&y=2"]),
        ("<A HREF='http://b.example'>B</A><area href=https://c.example>", ["http://b.example", "https://c.example"]),
        ('<a href="mailto:a@b.example">m</a><a href="tel:1">t</a><a href="#top">x</a><a href="%Link:Unsubscribe%">u</a><a href="/rel">r</a>', []),
        ('<a title="a > b" href="https://a.example">A</a>', ["https://a.example"]),
        ('<!-- <a href="https://no.example"> --><style>a{}</style><a href="https://yes.example">', ["https://yes.example"]),
        ('<abbr href="https://no.example"><link href="https://no.example"><img src="https://no.example">', []),
        ('<a data-href="https://no.example" href="https://yes.example">', ["https://yes.example"]),
        ('<a href=" https://a.example ">', ["https://a.example"]),
        ('<a title="href=https://no.example" href="https://yes.example">', ["https://yes.example"]),
    ],
)
def test_links_are_those_that_a_reader_can_click(source: str, urls: list[str]) -> None:
    assert [piece.url for piece in split_links(source) if isinstance(piece, Link)] == urls


def test_links_are_numbered_from_the_given_one_and_know_their_words() -> None:
    pieces = split_links('<a href="https://a.example"> Buy <b>now</b> &amp; here</a><a href="https://b.example"><img alt="The cat" src="x"></a>', first=5)

    assert [(piece.number, piece.label) for piece in pieces if isinstance(piece, Link)] == [(5, "Buy now & here"), (6, "The cat")]


@pytest.mark.parametrize(
    ("source", "urls"),
    [
        (
            "See https://a.example/x?y=1. Then (http://b.example), and <https://c.example>!",
            ["https://a.example/x?y=1", "http://b.example", "https://c.example"],
        ),
        ("nothing", []),
        ("ftp://a.example https:// http:// x", []),
    ],
)
def test_addresses_in_plain_text_end_before_punctuation(source: str, urls: list[str]) -> None:
    assert [piece.url for piece in split_plain_links(source) if isinstance(piece, Link)] == urls


@pytest.mark.parametrize(
    "source", ["<a " * 20_000, "<!--" * 20_000, '<a href="' * 10_000, "<style>" * 10_000, '<a href="https://a.example">x' * 3_000, "<a '" * 10_000]
)
@pytest.mark.timeout(5)
def test_hostile_markup_takes_no_long_time(source: str) -> None:
    split_links(source)
