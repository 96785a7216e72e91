"""Once for a sending, before its first mail: plug-ins may change the content and the links, and the links are written down.

What comes out is stored with the sending, so that every process compiles the same mail from it, and a click finds its target even if a
plug-in is switched off a minute later.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading
from app.delivery.again import write_again
from app.delivery.content import Content, hash_of, links_of, view_of, with_view
from app.delivery.ledger import SENDINGS
from app.delivery.models import Link
from app.plugins.calls import transform_campaign, transform_links
from app.plugins.manager import EnabledPlugins
from app.plugins.views import LinkView

LINKS: sa.Table = Link.__table__  # type: ignore[assignment]


def prepare(engine: Engine, sending_id: int, enabled: EnabledPlugins) -> bool:
    """Prepare the sending if nobody has; return whether it is prepared.

    Raises PluginFailed where a plug-in does: nothing is stored then, the sending stays where it is and is tried again later.
    """
    with reading(), engine.connect() as connection:
        sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending_id)).one_or_none()
    if sending is None or sending.state != "freezing":
        return False
    if sending.content_hash:
        return True
    content, links = _transformed(sending, enabled)
    return write_again(engine, lambda connection: _store(connection, sending_id, content, links))


def _transformed(sending: Any, enabled: EnabledPlugins) -> tuple[Content, list[LinkView]]:
    view = transform_campaign(enabled, view_of(sending.content, sending.user_id, sending.campaign_id, sending.list_ids))
    content = with_view(sending.content, view)
    found = [LinkView(number=link.number, url=link.url, label=link.label) for link in links_of(content)]
    links = list(transform_links(enabled, view, found))
    return content | {"links": [{"number": link.number, "url": link.url, "label": link.label} for link in links]}, links


def _store(connection: Connection, sending_id: int, content: Content, links: list[LinkView]) -> bool:
    stored = connection.execute(
        sa.update(SENDINGS).where(SENDINGS.c.id == sending_id, SENDINGS.c.state == "freezing", SENDINGS.c.content_hash == "")
        .values(content=content, content_hash=hash_of(content)))
    if stored.rowcount and links:
        connection.execute(sa.insert(LINKS), [
            {"sending_id": sending_id, "number": link.number, "url": link.url, "label": link.label[:200]} for link in links])
    return True
