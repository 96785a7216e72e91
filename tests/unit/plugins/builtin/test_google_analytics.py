"""Campaign parameters: on the links of campaigns whose author wants them, and nothing else of a link touched."""

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.db import utcnow, writing
from app.plugins import builtin, calls
from app.plugins.api import CampaignView, LinkView
from app.plugins.builtin.google_analytics.links import with_parameters
from app.plugins.manager import Plugins
from app.settings.models import SettingRevision, SettingValue
from tests.unit.plugins.conftest import enabled, now

UTM = {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "Sale & more"}
ADDED = "utm_source=newsletter&utm_medium=email&utm_campaign=Sale+%26+more"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://example.com", f"https://example.com?{ADDED}"),
        ("https://example.com/shop?a=1", f"https://example.com/shop?a=1&{ADDED}"),
        ("https://example.com/shop?", f"https://example.com/shop?{ADDED}"),
        ("https://example.com/shop?a=1&", f"https://example.com/shop?a=1&{ADDED}"),
        ("https://example.com/#top", f"https://example.com/?{ADDED}#top"),
        ("https://example.com/?a=%C3%A9&b#x?y", f"https://example.com/?a=%C3%A9&b&{ADDED}#x?y"),
        ("HTTP://example.com/", f"HTTP://example.com/?{ADDED}"),
        # What the author has set stays, whatever its case; the rest is added.
        ("https://example.com/?UTM_Source=shop", "https://example.com/?UTM_Source=shop&utm_medium=email&utm_campaign=Sale+%26+more"),
        ("https://example.com/?utm_campaign=&x=1", "https://example.com/?utm_campaign=&x=1&utm_source=newsletter&utm_medium=email"),
        # Merge tags stay as they are, wherever they stand.
        ("https://example.com/%Subscriber:City%?id=%Subscriber:ID%", f"https://example.com/%Subscriber:City%?id=%Subscriber:ID%&{ADDED}"),
        # These are no web pages, or will only become one later.
        ("%Link:Unsubscribe%", "%Link:Unsubscribe%"),
        ("mailto:ada@example.com", "mailto:ada@example.com"),
        ("tel:+4712345678", "tel:+4712345678"),
        ("#top", "#top"),
        ("", ""),
    ],
)
def test_parameters_are_added_and_nothing_else_is_touched(before: str, after: str) -> None:
    assert with_parameters(before, UTM) == after


def test_empty_values_are_left_out() -> None:
    assert with_parameters("https://example.com", {"utm_source": "", "utm_medium": "email"}) == "https://example.com?utm_medium=email"


@given(name=st.text(min_size=1, max_size=40), query=st.text(alphabet="ab=&%?", max_size=20), fragment=st.text(alphabet="ab?&=", max_size=8))
def test_whatever_is_typed_arrives_as_it_was_and_adding_twice_changes_nothing(name: str, query: str, fragment: str) -> None:
    before = f"https://example.com/p?{query}#{fragment}"

    after = with_parameters(before, {"utm_campaign": name})

    assert dict(parse_qsl(urlsplit(after).query, keep_blank_values=True))["utm_campaign"] == name
    assert urlsplit(after).fragment == fragment
    assert after.startswith(f"https://example.com/p?{query}")
    assert with_parameters(after, {"utm_campaign": "another"}) == after


def _store(plugins: Plugins, section: str, scope: str, **values: object) -> None:
    with writing(plugins.ground.engine) as connection:
        save = connection.execute(
            sa.insert(SettingRevision.__table__).values(scope=scope, section=section, actor="Ada", via="form", at=utcnow())  # type: ignore[arg-type]
        )
        for name, value in values.items():
            connection.execute(
                sa.insert(SettingValue.__table__).values(  # type: ignore[arg-type]
                    scope=scope, section=section, name=name, value=value, revision_id=save.inserted_primary_key[0]  # type: ignore[index]
                )
            )


def _link(plugins: Plugins, campaign_id: int | None = 3) -> str:
    campaign = CampaignView(id=campaign_id, account_id=1, name="November news")
    return calls.transform_links(now(plugins), campaign, [LinkView(number=1, url="https://example.com/")])[0].url


def test_links_stay_as_they_are_until_the_author_of_the_campaign_wants_it(plugins: Plugins) -> None:
    enabled(plugins, "google_analytics")

    assert _link(plugins) == "https://example.com/"
    assert _link(plugins, None) == "https://example.com/"

    _store(plugins, "plugin.google_analytics.campaign", "campaign:3", tagged=True)
    assert _link(plugins) == "https://example.com/?utm_source=newsletter&utm_medium=email&utm_campaign=November+news"
    assert _link(plugins, 4) == "https://example.com/"


def test_source_and_medium_come_from_the_settings_and_the_name_from_the_campaigns_option(plugins: Plugins) -> None:
    enabled(plugins, "google_analytics")
    _store(plugins, "plugin.google_analytics.source", "instance", source="nordwnd", medium="mail")
    _store(plugins, "plugin.google_analytics.campaign", "campaign:3", tagged=True, name="autumn")

    assert _link(plugins) == "https://example.com/?utm_source=nordwnd&utm_medium=mail&utm_campaign=autumn"


def test_nothing_happens_while_it_is_not_enabled(plugins: Plugins) -> None:
    _store(plugins, "plugin.google_analytics.campaign", "campaign:3", tagged=True)

    assert _link(plugins) == "https://example.com/"


def test_the_bundled_plug_ins_use_nothing_but_the_public_door() -> None:
    folder = Path(builtin.__file__).parent
    for file in folder.rglob("*.py"):
        own = ".".join(("app.plugins.builtin", *file.relative_to(folder).parts[:1]))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            strange = [name for name in names if name.split(".")[0] in {"app", "workers"} and name != "app.plugins.api"]
            assert not [name for name in strange if not name.startswith(own)], f"{file.name} imports {strange}"
