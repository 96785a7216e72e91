"""The one door for authors of plug-ins: whatever ``__all__`` names is promised, and nothing else of the platform is.

``API_VERSION`` follows semver: a name may come with a minor version; one that goes is deprecated for a whole major version first.
"""

from __future__ import annotations

from app.plugins.declarations import (
    ACCOUNT,
    ADMINISTRATOR,
    ANYONE,
    API_VERSION,
    SIGNED_IN,
    About,
    MenuItem,
    MergeTag,
    policy,
)
from app.plugins.hookspecs import hookimpl
from app.plugins.own import Own, OwnData, PluginSilenced, current
from app.plugins.views import (
    Allow,
    CampaignView,
    ChannelMessage,
    ChannelOutcome,
    Defer,
    DeliveryChannel,
    EventView,
    ImportView,
    LinkView,
    MessageView,
    Problem,
    RecipientView,
    ResultView,
    SendingView,
    Skip,
    SubscriberView,
    Verdict,
)
from app.settings.schema import Problem as SettingProblem
from app.settings.schema import choice, domain, email, integer, long_text, secret, section, switch, text, url
from app.words import marked, words, words_of

__all__ = [
    "ACCOUNT",
    "ADMINISTRATOR",
    "ANYONE",
    "API_VERSION",
    "SIGNED_IN",
    "About",
    "Allow",
    "CampaignView",
    "ChannelMessage",
    "ChannelOutcome",
    "Defer",
    "DeliveryChannel",
    "EventView",
    "ImportView",
    "LinkView",
    "MenuItem",
    "MergeTag",
    "MessageView",
    "Own",
    "OwnData",
    "PluginSilenced",
    "Problem",
    "RecipientView",
    "ResultView",
    "SendingView",
    "SettingProblem",
    "Skip",
    "SubscriberView",
    "Verdict",
    "choice",
    "current",
    "domain",
    "email",
    "hookimpl",
    "integer",
    "long_text",
    "marked",
    "policy",
    "secret",
    "section",
    "switch",
    "text",
    "url",
    "words",
    "words_of",
]
