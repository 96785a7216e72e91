"""What is the same for all outgoing mail, whatever server takes it."""

from __future__ import annotations

from collections.abc import Iterator

import nh3

from app.mail.address import AddressError, parse_domain
from app.mail.aliases import first_unreachable, parse_rule
from app.settings import rules
from app.settings.schema import Problem, choice, domain, integer, lines, long_text, section, switch, text
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


def _is_alias(line: str) -> str:
    try:
        parse_rule(line)
    except AddressError as error:
        return str(error)
    return ""


@section("email-delivery", title="Settings", group="Sending", place=30)
class EmailDelivery:
    """What is the same for all outgoing mail."""

    x_mailer: str = text("X-Mailer header", default="", max=120, help="Stands in all outgoing mail. Empty: the header is left out.")
    centralized_domain: str = domain("Centralized sender domain", help="The return path and the From domain of mail whose own domain is not verified. "
                                     "Empty: every user’s From address is taken as it is.")
    default_channel: str = choice("Default delivery channel", default="smtp", choices=(("smtp", "SMTP connection"),), more="channels",
                                  help="How mail leaves, where a campaign does not choose. Plug-ins may add channels.")
    relay_domains: tuple[str, ...] = lines("Relay domains", each=rules.domain, most=1000, help=(
        "One domain a line. The inbound server takes mail for them, and for every MFROM, centralized and catch-all domain. For any other domain it "
        "answers “Relaying denied”."))
    aliases: tuple[str, ...] = lines("Alias list", each=_is_alias, most=500, help=(
        "One pattern:target a line, such as sales-*@example.com:office@example.net. Mail that arrives at a matching address goes on to the target, as it came. "
        "* stands for any characters, the first match holds, and *:target, as the last line, takes the rest."))
    forwards_per_hour: int = integer("Forwarding limit", default=100, min=1, max=100_000, unit="mails an hour", help=(
        "For each line of the alias list, for the addresses abuse, postmaster and root, and for copies of complaints and of requests to unsubscribe, each by "
        "itself. What comes above it is held for you."))
    preheader_template: str = long_text("Pre-header text template", default=DEFAULT_TEMPLATE, max=4000, rules=(_holds_tag, _is_harmless),
                                        help="Goes right after <body> of HTML mail, hidden, with the campaign’s pre-header in it.")
    seeds: tuple[str, ...] = lines("Seed list", each=rules.address, most=50,
                                   help="One address a line. Each gets one copy of every campaign, marked by a header; no figure counts it.")
    keep_values: bool = switch("Subscriber data snapshot", default=False,
                               help="Keeps with each mail the subscriber’s values as they were mailed: a web view shows them when they have changed or are "
                                    "gone. About 200 bytes and 25 µs when a campaign starts for each recipient, more with many custom fields.")

    def check(self) -> Iterator[Problem]:
        """Every alias can be reached, and none leads back to this server."""
        parsed = [parse_rule(line) for line in self.aliases]
        if found := first_unreachable(parsed):
            never, before = found
            yield Problem("aliases", words("Line %(number)s: no mail comes as far as this line, because line %(before)s takes it before. Move it up.",
                                           number=never + 1, before=before + 1))
        relayed = {parse_domain(name) for name in self.relay_domains}
        looping = next((number for number, rule in enumerate(parsed, 1) if rule.target.rpartition("@")[2] in relayed), 0)
        if looping:
            yield Problem("aliases", words("Line %(number)s: the target’s domain is a relay domain, so its mail would come back here. "
                                           "Type an address at another domain.", number=looping))
