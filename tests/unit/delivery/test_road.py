"""What a mail looks like at the end of the road."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest

from app.campaigns.personalisation import known_names
from app.delivery.compile import compile_sending
from app.delivery.road import Mail, Stop, Trip, travel
from app.delivery.sender import Sender
from app.delivery.urls import MailUrls
from app.mail.dkim import DkimSigner, generate_key
from app.mail.tokens import TokenKeys
from app.settings.sections.email_delivery import DEFAULT_TEMPLATE

TOKENS = TokenKeys(bytes(32))
LISTS = {7: {"List:ListName": "News", "@list_id": "<abc.m.example>"}}
CONTENT = {"subject": "Hi %Subscriber:FirstName|you%", "preheader": "", "html": "<html><BODY class=x><p>Text</p></BODY></html>", "plain": "Text",
           "track_opens": False, "track_links": False, "links": []}


def make_trip(**values: Any) -> Trip:
    content = {**CONTENT, **{name: values.pop(name) for name in list(values) if name in CONTENT}}
    wanted: dict[str, Any] = {
        "sending_id": 5, "kind": "campaign", "content": content, "sender": Sender("Shop", "news@shop.example", "", "m.example"),
        "urls": MailUrls("https://lm.example", "links.example", "open.example"), "message_id_domain": "m.example", "feedback_id": "a:b:c:d",
        "names": known_names(), "preheader_template": DEFAULT_TEMPLATE, "lists": LISTS}
    return Trip(**{**wanted, **values})


def row(**values: Any) -> SimpleNamespace:
    wanted = {"position": 3, "email": "anna@example.org", "subscriber_id": 1, "list_id": 7, "first_name": "Anna", "last_name": "", "fields": {},
              "subscribed_ip": "", "subscribed_at": None, "snapshot": None}
    return SimpleNamespace(**{**wanted, **values})


def render(trip: Trip, signer: DkimSigner | None = None, **of_row: Any) -> EmailMessage:
    compiled = compile_sending(trip, TOKENS, signer)
    one, person = next(compiled.people([row(**of_row)], {}))
    return message_from_bytes(compiled.render(one, person).data, policy=policy.default)  # type: ignore[return-value]


def html_of(mail: EmailMessage) -> str:
    return mail.get_body(("html",)).get_content()  # type: ignore[union-attr]


def test_a_campaign_s_mail_has_every_header_that_receivers_ask_for() -> None:
    mail = render(make_trip(x_mailer="Mill 1"))
    assert mail["Date"].endswith(" +0000")
    assert list(mail.keys())[:6] == ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe"]
    assert (mail["Subject"], mail["To"], mail["List-ID"], mail["X-Mailer"]) == ("Hi Anna", "anna@example.org", "<abc.m.example>", "Mill 1")
    assert mail["Message-ID"].endswith("@m.example>")
    assert mail["List-Unsubscribe"].startswith("<mailto:u+")
    assert "<https://lm.example/u/" in mail["List-Unsubscribe"]
    assert mail["Feedback-ID"] == "a:b:c:d"


def test_a_second_copy_carries_the_same_message_id() -> None:
    assert render(make_trip())["Message-ID"] == render(make_trip())["Message-ID"]


def test_mail_that_somebody_s_own_act_caused_has_no_way_out_of_a_list() -> None:
    mail = render(make_trip(kind="transactional"))
    assert mail["List-Unsubscribe"] is None
    assert mail["Feedback-ID"] is None


def test_no_x_mailer_where_the_setting_is_empty() -> None:
    assert render(make_trip())["X-Mailer"] is None


def test_the_preheader_stands_right_after_body_and_is_text() -> None:
    html = html_of(render(make_trip(preheader="5 < 6 & %Subscriber:FirstName%")))
    assert html.index("<BODY class=x><div") < html.index("<p>Text")
    assert "5 &lt; 6 &amp; Anna</div>" in html


def test_no_preheader_where_the_campaign_has_none() -> None:
    assert "<div" not in html_of(render(make_trip()))


def test_links_and_pixel_use_the_server_s_tracking_domains() -> None:
    html = html_of(render(make_trip(html='<body><a href="https://a.example/?x=1&amp;y=2">A</a></body>', track_links=True, track_opens=True)))
    assert 'href="https://links.example/t/c/' in html
    assert '/1">A</a><img src="https://open.example/t/o/' in html
    assert html.rstrip().endswith("></body>")


def test_a_link_that_is_not_tracked_keeps_its_address_with_values_made_safe_for_it() -> None:
    html = html_of(render(make_trip(html='<a href="https://a.example/?n=%Subscriber:FirstName%&amp;y=2">A</a>'), first_name='A&B"x'))
    assert 'href="https://a.example/?n=A%26B%22x&amp;y=2"' in html


def test_a_value_cannot_leave_its_place() -> None:
    mail = render(make_trip(html="<p>%Subscriber:FirstName%</p>", plain="%Subscriber:FirstName%"),
                  first_name="=?utf-8?q?hi=0D=0ABcc=3A_x?=\r\nBcc: evil@example.org\r\n<script>%Link:Unsubscribe%")
    assert mail["Bcc"] is None
    html = html_of(mail)
    assert "<script>" not in html
    assert "%Link:Unsubscribe%" in html


def test_plain_mail_alone_has_no_html_part() -> None:
    mail = render(make_trip(html=" "))
    assert mail.get_content_type() == "text/plain"


def test_a_signed_mail_names_the_server_s_key() -> None:
    mail = render(make_trip(), DkimSigner("shop.example", "lm1", generate_key("ed25519")))
    assert "d=shop.example; s=lm1" in mail["DKIM-Signature"].replace("\r\n", "")


def test_the_return_path_carries_a_token_or_is_the_address_that_was_set() -> None:
    compiled = compile_sending(make_trip(), TOKENS)
    one, person = next(compiled.people([row()], {}))
    token = compiled.render(one, person).mfrom.removeprefix("b+").removesuffix("@m.example")
    found = TOKENS.read("mfrom", token)
    assert found is not None
    assert (found.sending_id, found.position) == (5, 3)
    fixed = compile_sending(make_trip(sender=Sender("", "a@b.example", "", "b.example", "back@b.example")), TOKENS)
    one, person = next(fixed.people([row()], {}))
    assert fixed.render(one, person).mfrom == "back@b.example"


def test_the_road_ends_at_the_first_step_that_stops_and_names_it() -> None:
    seen: list[str] = []

    def first(mail: Mail, _trip: Trip) -> Mail:
        seen.append("first")
        return mail

    def second(_mail: Mail, _trip: Trip) -> Stop:
        return Stop("held", "because")

    mail = Mail(subject=(), html=None, plain=())
    assert travel(mail, make_trip(), (first, second, first)) == Stop("held", "second: because")
    assert seen == ["first"]


@pytest.mark.parametrize("kept", [{"first_name": "Kept", "fields": {"City": "Graz"}}])
def test_a_snapshot_comes_before_what_the_subscriber_is_today(kept: dict[str, Any]) -> None:
    names = known_names(["City"])
    mail = render(make_trip(html="<p>%Subscriber:FirstName% %Subscriber:City%</p>", names=names), snapshot=kept)
    assert "Kept Graz" in html_of(mail)
