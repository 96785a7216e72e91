"""What is the same for all outgoing mail, whatever server takes it."""

from __future__ import annotations

import nh3

from app.settings import rules
from app.settings.schema import choice, domain, lines, long_text, section, switch, text
from app.words import words

PREHEADER = "%PreHeader%"
DEFAULT_TEMPLATE = ('<div style="display:none;max-height:0;overflow:hidden;opacity:0;mso-hide:all;font-size:1px;line-height:1px;color:transparent">'
                    "%PreHeader%</div>")
_TAGS = {"div", "span", "p", "b", "i", "em", "strong", "br"}


def _holds_tag(value: str) -> str:
    return "" if value.count(PREHEADER) == 1 else words("Put %(tag)s where the text belongs, once. “Default” puts the usual template back.", tag=PREHEADER)


def _is_harmless(value: str) -> str:
    cleaned = nh3.clean(value, tags=_TAGS, attributes={"*": {"style", "class", "align", "dir", "lang"}})
    if cleaned.count("<") == value.count("<"):
        return ""
    return words("Only div, span, p, b, i and br are taken here, with style, class, align, dir and lang.")


@section("email-delivery", title="Settings", group="Sending", place=30)
class EmailDelivery:
    """What is the same for all outgoing mail."""

    x_mailer: str = text("X-Mailer header", default="", max=120, help="Stands in all outgoing mail. Empty: the header is left out.")
    centralized_domain: str = domain("Centralized sender domain", help="The return path and the From domain of mail whose own domain is not verified. "
                                     "Empty: every user’s From address is taken as it is.")
    default_channel: str = choice("Default delivery channel", default="smtp", choices=(("smtp", "SMTP connection"),), more="channels",
                                  help="How mail leaves, where a campaign does not choose. Plug-ins may add channels.")
    preheader_template: str = long_text("Pre-header text template", default=DEFAULT_TEMPLATE, max=4000, rules=(_holds_tag, _is_harmless),
                                        help="Goes right after <body> of HTML mail, hidden, with the campaign’s pre-header in it.")
    seeds: tuple[str, ...] = lines("Seed list", each=rules.address, most=50,
                                   help="One address a line. Each gets one copy of every campaign, marked by a header; no figure counts it.")
    keep_values: bool = switch("Subscriber data snapshot", default=False,
                               help="Keeps with each mail the subscriber’s values as they were mailed: a web view shows them when they have changed or are "
                                    "gone. About 200 bytes and 25 µs when a campaign starts for each recipient, more with many custom fields.")
