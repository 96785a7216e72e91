"""Aggregate reports read out of mails: as receivers pack them, as they never should, and as bombs."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
import zlib
from datetime import UTC, datetime

import pytest

from app.inbound.dmarc.parse import read_report, report_of
from app.inbound.dmarc.result import Check, Policy, ReportError
from tests.factories.dmarc import mail, row, xml, zipped

BEGIN = datetime(2026, 3, 30, tzinfo=UTC)
XML = xml(row(count=7, spf="fail"), row("2001:DB8:0::1", 3, dkim="fail", spf="fail", disposition="reject"), begin=BEGIN,
          policy="<adkim>s</adkim><aspf>r</aspf><p>quarantine</p><sp>reject</sp><pct>50</pct>")


def test_a_report_is_read_whole() -> None:
    report = read_report(mail(gzip.compress(XML)))

    assert (report.org, report.report_id, report.domain) == ("receiver.example", "4711", "shop.example")
    assert (report.begin, report.end) == (BEGIN, datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC))
    assert report.policy == Policy("quarantine", "reject", "s", "r", 50)
    first, second = report.records
    assert (first.source_ip, first.count, first.disposition, first.dkim, first.spf, first.header_from) == ("192.0.2.1", 7, "none", True, False, "shop.example")
    assert first.checks == (Check("dkim", "shop.example", "pass", "lm1"), Check("spf", "bounce.shop.example", "softfail"))
    assert (second.source_ip, second.dkim, second.spf, second.disposition) == ("2001:db8::1", False, False, "reject")


@pytest.mark.parametrize("attached", [
    mail(gzip.compress(XML)),
    mail(gzip.compress(XML), "application/zip", "report.zip"),
    mail(gzip.compress(XML), "application/octet-stream", "report"),
    mail(zipped(XML), "application/zip", "report.zip"),
    mail(zipped(XML), "application/gzip", "report.xml.gz"),
    mail(zipped(XML, method=zipfile.ZIP_STORED), "application/x-zip-compressed"),
    mail(XML, "text/xml"),
    mail(b"\xef\xbb\xbf" + XML, "application/xml"),
    mail(XML.partition(b"?>")[2], "text/plain"),
    mail(gzip.compress(XML)).replace(b"\r\n", b"\n"),
], ids=["gzip", "gzip as zip", "gzip as nothing", "zip", "zip as gzip", "stored zip", "xml", "xml with a mark", "no declaration", "bare lines"])
def test_types_and_names_lie_and_the_content_decides(attached: bytes) -> None:
    assert read_report(attached).report_id == "4711"


@pytest.mark.parametrize(("opening", "policy"), [
    ('<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">', "<p>none</p><np>reject</np><testing>n</testing><discovery_method>treewalk</discovery_method>"),
    ('<feedback xmlns:x="http://dmarc.org/dmarc-xml/0.1">', "<p>none</p><x:fo>1</x:fo><unheard_of><p>reject</p></unheard_of>"),
    ("<feedback><version>1.0</version>", "<p> none\n</p><p>reject</p>"),
])
def test_reports_of_both_standards_are_read(opening: str, policy: str) -> None:
    report = report_of(xml(opening=opening, policy=policy))
    assert (report.policy, len(report.records)) == (Policy("none"), 1)


def test_a_policy_that_is_being_tested_is_applied_to_nobody() -> None:
    assert report_of(xml(policy="<p>reject</p><testing>y</testing>")).policy == Policy("reject", pct=0)


def test_prefixes_of_names_are_nobodys_business() -> None:
    prefixed = XML.replace(b"<", b"<d:").replace(b"<d:/", b"</d:").replace(b"<d:?", b"<?").replace(b"<d:feedback>", b'<d:feedback xmlns:d="urn:x">')
    assert len(report_of(prefixed).records) == 2


def test_a_row_that_says_nothing_is_passed_over_and_the_others_count() -> None:
    report = report_of(xml(row("mail.example"), row(count=0), row("192.0.2.9")))
    assert [one.source_ip for one in report.records] == ["192.0.2.9"]


def test_a_report_without_rows_is_one() -> None:
    assert report_of(xml(" ")).records == ()


def test_the_first_attachment_that_can_be_read_counts() -> None:
    good = mail(gzip.compress(XML))
    picture = b"--bb\r\nContent-Type: text/xml\r\n\r\n<?xml version='1.0'?><svg/>\r\n"
    both = good.replace(b"--bb\r\nContent-Type: application", picture + b"--bb\r\nContent-Type: application")
    assert read_report(both).report_id == "4711"


@pytest.mark.parametrize(("raw", "why"), [
    (b"Subject: hello\r\n\r\nNo report at all.\r\n", "No attachment is a report"),
    (mail(b"GIF89a"), "No attachment is a report"),
    (mail(gzip.compress(b"hello")), "The XML is broken in line 1"),
    (mail(gzip.compress(XML)[:-400]), "cut off"),
    (mail(gzip.compress(XML)[:60] + b"\xff" * 40), "cannot be unpacked"),
    (mail(zipped(XML)[:20]), "The zip is cut off"),
    (mail(zipped(XML, XML)), "more than one file"),
    (mail(zipped(XML, XML, method=zipfile.ZIP_STORED)), "more than one file"),
    (mail(zipped(XML, method=zipfile.ZIP_BZIP2)), "packed in a way"),
    (mail(zipped(XML)[:6] + b"\x01" + zipped(XML)[7:]), "encrypted"),
    (mail(XML[:-20]), "The XML is broken"),
    (mail(b"<?xml version='1.0'?><html/>"), "no report of DMARC: it begins with html"),
    (mail(b"<?xml version='1.0' encoding='martian'?><feedback/>"), "encoding"),
    (mail(XML.replace(b"4711", b"")), "no report_id"),
    (mail(XML.replace(b"4711", b"7" * 300)), "report_id is too long"),
    (mail(XML.replace(b"<domain>shop.example</domain><adkim>", b"<domain>shop</domain><adkim>")), "about no domain: shop"),
    (mail(XML.replace(b"<begin>", b"<begin>x")), "from when to when"),
    (mail(XML.replace(b"<begin>", b"<begin>9")), "of the year"),
    (mail(XML.replace(b"<begin>1774828800", b"<begin>1794828800")), "ends before it begins"),
    (mail(xml(row("nowhere"))), "None of the report’s rows"),
])
def test_what_is_no_report_is_said_in_words(raw: bytes, why: str) -> None:
    with pytest.raises(ReportError, match=why):
        read_report(raw)


BILLION = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<feedback><org_name>&c;</org_name></feedback>"""


@pytest.mark.parametrize("prologue", [
    BILLION, b'<?xml version="1.0"?><!DOCTYPE feedback SYSTEM "http://127.0.0.1/x.dtd"><feedback/>',
    b'<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>',
    b"<?xml version='1.0'?><!DOCTYPE feedback><feedback/>",
])
def test_a_document_type_is_refused_whatever_it_declares(prologue: bytes) -> None:
    with pytest.raises(ReportError, match="declares a document type"):
        report_of(gzip.compress(prologue))


BOMBS: dict[str, str] = {
    "zeros": "gzip.compress(bytes(100_000_000), 9)",
    "spaces in xml": "gzip.compress(b'<?xml version=\"1.0\"?><feedback>' + b' ' * 100_000_000, 9)",
    "a zip of zeros": "zipped(bytes(100_000_000))",
    "many elements": "gzip.compress(b'<feedback>' + b''.join(b'<a%d/>' % (i % 977) for i in range(1_000_000)), 6)",
    "many different elements": "gzip.compress(b'<feedback>' + b''.join(b'<a%d/>' % (i * 7919) for i in range(600_000)), 1)",
    "many rows": "gzip.compress(b'<feedback>' + b''.join(b'<record><row><count>%d</count></row></record>' % (i * 7919) for i in range(100_000)), 1)",
    "deep": "gzip.compress(b'<feedback>' + b''.join(b'<a%d>' % (i * 7919) for i in range(300_000)), 1)",
    "attributes": "gzip.compress(b'<feedback>' + b'<a ' + b''.join(b'a%d=\">\" ' % (i * 7919) for i in range(500_000)), 1)",
    "one attribute": "gzip.compress(b'<feedback>' + b'<a b=\"' + os.urandom(7_000_000).hex().encode() + b'\"/></feedback>', 1)",
    "a comment": "gzip.compress(b'<feedback><!--' + os.urandom(7_000_000).hex().encode() + b'--></feedback>', 1)",
    "a long text": "gzip.compress(b'<feedback><version>' + b''.join(b'%07d' % i * 10 for i in range(310_000)) + b'</version></feedback>', 1)",
    "many checks": "gzip.compress(b'<feedback><record><auth_results>' "
                   "+ b''.join(b'<dkim><domain>a%d</domain></dkim>' % (i * 7919) for i in range(200_000)), 1)",
    "long names": "gzip.compress(b'<feedback><' + b'n' * 200_000 + b'>' + b''.join(b'<a%d>x</a%d>' % (i, i) for i in range(200_000)), 1)",
    "many zips": "b''.join(zipped(b'<a/>') for _ in range(5_000))",
}
MAILS: dict[str, str] = {
    "nested": "b''.join(b'Content-Type: multipart/mixed; boundary=\"b%d\"\\n\\n--b%d\\n' % (i, i) for i in range(1000)) + b'x' * 9_000_000",
    "nested fifteen times": "b''.join(b'Content-Type: multipart/mixed; boundary=\"b%d\"\\n\\n--b%d\\n' % (i, i) for i in range(15)) "
                            "+ b'\\n' + b'x\\n' * 4_000_000",
    "nested four times": "b''.join(b'Content-Type: multipart/mixed; boundary=\"b%d\"\\n\\n--b%d\\n' % (i, i) for i in range(4)) + b'\\n' + b'x\\n' * 3_000_000",
    "many parts": "b'Content-Type: multipart/mixed; boundary=b\\n\\n' + b'--b\\n\\n<?xml?>\\n' * 500_000",
    "quoted": "b'Content-Transfer-Encoding: quoted-printable\\n\\n' + b'=3C=\\n' * 1_500_000",
}
WHY = {
    "zeros": "not well-formed",
    "spaces in xml": "unpacks to more",
    "a zip of zeros": "not well-formed",
    "many elements": "too many elements",
    "many different elements": "too many elements",
    "many rows": "more than 10,000 rows",
    "deep": "nested too deeply",
    "attributes": "a tag that is larger",
    "one attribute": "a tag that is larger",
    "a comment": "a tag that is larger",
    "a long text": "unpacks to more",
    "many checks": "too many elements",
    "long names": "no element found",
    "many zips": "begins with a",
    "nested": "nested too deeply",
    "nested four times": "No attachment",
    "many parts": "too many parts",
    "quoted": "No attachment",
    "nested fifteen times": "nested too deeply",
}
# The kernel hands a parent's highest use of memory on to its child in getrusage; the high water mark of the process itself begins anew.
PROGRAM = """
import sys, time, zlib
from pathlib import Path
sys.path.insert(0, ".")
from app.inbound.dmarc.parse import read_report
from app.inbound.dmarc.result import ReportError
def mebibytes():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
raw = zlib.decompress(sys.stdin.buffer.read())
before = mebibytes()
begun = time.process_time()
try:
    read_report(raw)
except ReportError as error:
    print(str(error).replace(" ", "_"), time.process_time() - begun, mebibytes() - before)
"""


def _made(bomb: str) -> bytes:
    return eval(bomb, {"gzip": gzip, "os": __import__("os"), "zipped": zipped, "mail": mail})  # noqa: S307 - our own lines above


@pytest.mark.parametrize("name", [*BOMBS, *MAILS])
def test_a_bomb_does_no_harm(name: str) -> None:
    raw = _made(MAILS[name]) if name in MAILS else mail(_made(BOMBS[name]))
    run = subprocess.run([sys.executable, "-c", PROGRAM], input=zlib.compress(raw, 1), capture_output=True, check=True, timeout=60)
    why, seconds, mebibytes = run.stdout.decode().split()
    assert WHY[name] in why.replace("_", " ")
    assert float(seconds) < 1
    assert float(mebibytes) < 200


def test_a_report_as_large_as_they_come_is_read() -> None:
    rows = [row(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number % 90 + 1) for number in range(10_000)]
    assert len(report_of(gzip.compress(xml(*rows))).records) == 10_000
