"""Plain text out of HTML, for readers who want it so: paragraphs, lists, tables row by row, links with their addresses."""

from __future__ import annotations

import re

from lxml import etree
from lxml import html as lxml_html

_BLOCKS = frozenset({"p", "div", "section", "article", "header", "footer", "blockquote", "ul", "ol", "table", "form", "center", "pre", "body"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SILENT = frozenset({"script", "style", "head", "title", "noscript", "template"})
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")


def html_to_plain(html: str) -> str:
    """Return the text that a reader would see; merge tags stay as they are; broken HTML is read as far as it goes, to a depth of 2,000."""
    if not html.strip():
        return ""
    try:
        # Bytes and our own word on their encoding: what the document says of itself was true where it was saved.
        parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
        root = lxml_html.document_fromstring(html.replace("\0", "").encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, ValueError):
        return ""
    text = "".join(_words(root))
    lines = [" ".join(line.split(" ")).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _words(root: lxml_html.HtmlElement) -> list[str]:
    """Return the text in reading order. A loop, because people's HTML nests deeper than a function may call itself."""
    out: list[str] = []
    silent = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = node.tag.lower() if isinstance(node.tag, str) else ""
        if event == "start":
            silent += tag in _SILENT
            if not silent:
                _open(node, tag, out)
                out.append(_SPACES.sub(" ", node.text or ""))
            continue
        if event == "end":
            if not silent:
                _close(node, tag, out)
            silent -= tag in _SILENT
        if not silent and node is not root:
            out.append(_SPACES.sub(" ", node.tail or ""))
    return out


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
    words = " ".join([*node.text_content().split(), *node.xpath(".//img/@alt")]).strip()
    if target and not target.startswith("#") and target != words:
        out.append(f" ({target.removeprefix('mailto:')})" if words else target)
