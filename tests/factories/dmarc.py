"""Aggregate reports as receivers send them: the XML, packed, in a mail."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from datetime import UTC, datetime, timedelta

ROW = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}</disposition>
<dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{header_from}</header_from></identifiers>
<auth_results><dkim><domain>{header_from}</domain><selector>lm1</selector><result>pass</result></dkim>
<spf><domain>bounce.{header_from}</domain><result>softfail</result></spf></auth_results></record>"""


def row(ip: str = "192.0.2.1", count: int = 10, *, dkim: str = "pass", spf: str = "pass", disposition: str = "none", header_from: str = "shop.example") -> str:
    """Return one row."""
    return ROW.format(ip=ip, count=count, dkim=dkim, spf=spf, disposition=disposition, header_from=header_from)


def xml(*rows: str, domain: str = "shop.example", org: str = "receiver.example", report_id: str = "4711", begin: datetime | None = None,
        policy: str = "<p>none</p>", head: str = '<?xml version="1.0" encoding="UTF-8"?>', opening: str = "<feedback>") -> bytes:
    """Return a report's XML; without ``begin`` it is of yesterday."""
    begin = begin or datetime.now(UTC) - timedelta(days=1)
    text = (f"{head}{opening}<report_metadata><org_name>{org}</org_name><email>dmarc@{org}</email><report_id>{report_id}</report_id>"
            f"<date_range><begin>{int(begin.timestamp())}</begin><end>{int(begin.timestamp()) + 86399}</end></date_range></report_metadata>"
            f"<policy_published><domain>{domain}</domain>{policy}</policy_published>{''.join(rows or (row(header_from=domain),))}</feedback>")
    return text.encode()


def zipped(*files: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"report{number}.xml", data)
    return held.getvalue()


def mail(attachment: bytes, kind: str = "application/gzip", name: str = "receiver.example!shop.example!1!2.xml.gz") -> bytes:
    """Return a mail that brings an attachment."""
    head = ("From: noreply-dmarc@receiver.example\r\nTo: dmarc@mx.example\r\nSubject: Report Domain: shop.example Submitter: receiver.example\r\n"
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="bb"\r\n\r\n--bb\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\r\n'
            f'--bb\r\nContent-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n')
    return head.encode() + base64.encodebytes(attachment).replace(b"\n", b"\r\n") + b"\r\n--bb--\r\n"


def gzipped(*rows: str, **values: object) -> bytes:
    """Return a mail with a gzipped report."""
    return mail(gzip.compress(xml(*rows, **values)))  # type: ignore[arg-type]
