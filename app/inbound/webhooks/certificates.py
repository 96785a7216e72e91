"""The certificates that SNS signs with: fetched from SNS itself over TLS, looked at, and kept for a day.

SNS hands out the certificate alone, without those between it and a root; that it is SNS's own is proven by the TLS of the host that gave it.
"""

from __future__ import annotations

import re
import threading
import time
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from app.db import utcnow
from app.egress import EgressRefused, fetch
from app.inbound.webhooks.refused import Refused
from app.words import words

LARGEST, TIMEOUT_S = 64 * 1024, 10.0
KEPT_S, MOST = 86_400.0, 50
LEAST_BITS = 2048
_OURS = re.compile(r"sns(?:[.-][a-z0-9-]+)*\.amazonaws\.com", re.ASCII)


class Certificates:
    """The certificates that this process has seen, by their addresses."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._kept: dict[str, tuple[float, x509.Certificate, RSAPublicKey]] = {}

    def key_at(self, url: str) -> RSAPublicKey:
        """Return the key of the certificate at this address, which ``sns.is_certificate`` found right.

        Raise Refused: 503 where it cannot be had now, 403 where it is nothing to trust.
        """
        with self._turn:
            kept = self._kept.get(url)
        if kept is None or time.monotonic() - kept[0] > KEPT_S:
            certificate = _certificate(_fetched(url))
            kept = (time.monotonic(), certificate, _key_of(certificate))
            self._keep(url, kept)
        _check_time(kept[1], utcnow())
        return kept[2]

    def _keep(self, url: str, kept: tuple[float, x509.Certificate, RSAPublicKey]) -> None:
        with self._turn:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[url] = kept


def _fetched(url: str) -> bytes:
    try:
        found = fetch(url, max_bytes=LARGEST, timeout=TIMEOUT_S, most_redirects=0)
    except EgressRefused as error:
        raise Refused(503, words("The certificate of Amazon SNS could not be fetched: %(why)s", why=error.args[0])) from error
    if found.status != 200:
        raise Refused(503, words("The certificate of Amazon SNS could not be fetched: its server answers %(status)s.", status=str(found.status)))
    return found.body


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] + _alternatives(certificate)
    except (ValueError, x509.DuplicateExtension) as error:
        raise Refused(403, words("What stands at the certificate’s address is no certificate.")) from error
    if not any(_OURS.fullmatch(name.lower()) for name in names):
        raise Refused(403, words("The certificate is of %(name)s, not of Amazon SNS.", name=", ".join(names)[:80] or "?"))
    return certificate


def _alternatives(certificate: x509.Certificate) -> list[str]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return []


def _key_of(certificate: x509.Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_BITS:
        raise Refused(403, words("The certificate has no RSA key of %(bits)s bits or more.", bits=str(LEAST_BITS)))
    return key


def _check_time(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused(403, words("The certificate is not valid today."))
