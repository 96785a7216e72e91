"""Add parameters to an address without touching what its author wrote: it may hold merge tags, which no parser of URLs knows."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Return ``url`` with the parameters at the end of its query.

    Only addresses of web pages get any: not mailto:, not tel:, not one that a merge tag makes whole later. A parameter that is
    there already stays as it is, and one with an empty value is left out.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url
    page, mark, fragment = url.partition("#")
    _address, has_query, query = page.partition("?")
    there = {part.partition("=")[0].lower() for part in query.split("&")}
    added = "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items() if value and name not in there)
    joint = "&" if query and not query.endswith("&") else "" if has_query else "?"
    return page + joint + added + mark + fragment if added else url
