"""Plain text out of HTML, for readers who want it so: paragraphs, lists, tables row by row, links with their addresses."""

from __future__ import annotations

import re

from lxml import etree, html as lxml_html

_BLOCKS = frozenset({"p", "div", "section", "article", "header", "footer", "blockquote", "ul", "ol", "table", "form", "center", "pre", "body"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SILENT = frozenset({"script", "style", "head", "title", "noscript", "template"})
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")


def html_to_plain(html: str) -> str:
    """Return the text that a reader would see; merge tags stay as they are; broken HTML is read as far as it goes."""
    if not html.strip():
        return ""
    try:
        root = lxml_html.document_fromstring(html)
    except (etree.ParserError, ValueError):
        return ""
    out: list[str] = []
    _walk(root, out)
    text = "".join(out)
    lines = [" ".join(line.split(" ")).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _walk(node: lxml_html.HtmlElement, out: list[str]) -> None:
    tag = node.tag.lower() if isinstance(node.tag, str) else ""
    if tag and tag not in _SILENT:
        _open(node, tag, out)
        out.append(_SPACES.sub(" ", node.text or ""))
        for child in node:
            _walk(child, out)
        _close(node, tag, out)
    out.append(_SPACES.sub(" ", node.tail or "") if tag != "html" else "")


def _open(node: lxml_html.HtmlElement, tag: str, out: list[str]) -> None:
    if tag in _BLOCKS or tag in _HEADINGS:
        out.append("\n\n")
    elif tag == "li":
        out.append("\n- ")
    elif tag in {"tr", "br", "hr"}:
        out.append("\n")
    elif tag == "img" and (alt := node.get("alt", "").strip()):
        out.append(alt)


def _close(node: lxml_html.HtmlElement, tag: str, out: list[str]) -> None:
    if tag == "a":
        _close_link(node, out)
    elif tag in _BLOCKS or tag in _HEADINGS:
        out.append("\n\n")
    elif tag in {"td", "th"}:
        out.append(" ")


def _close_link(node: lxml_html.HtmlElement, out: list[str]) -> None:
    target = (node.get("href") or "").strip()
    words = " ".join(node.text_content().split())
    if target and not target.startswith("#") and target != words:
        out.append(f" ({target.removeprefix('mailto:')})" if words else target)
