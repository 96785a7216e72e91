"""Plug-ins are told that a campaign is finished: the notice is written in the transaction that finished it."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from app.delivery.finish import Tell
from app.plugins.manager import EnabledPlugins
from app.plugins.notices import AfterCampaignFinished, tell
from app.plugins.views import ResultView


def tell_finished(enabled: EnabledPlugins) -> Tell:
    """Return what writes the notice; the sweep rings for the job that tells it."""

    def write(connection: Connection, result: ResultView) -> None:
        tell(connection, enabled, AfterCampaignFinished(result))

    return write
