"""Proof by mTLS: Envoy verified the proxy's client certificate and reports whose it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import ForwardedRequest


@dataclass(frozen=True, slots=True)
class PeerProof:
    """The direct peer's TLS identity, the mark of the verifying listener, and optionally pins on its certificate.

    ``principals`` are compared exactly with ``source.principal``, which Envoy fills from the first URI SAN, else the first
    DNS SAN, else the subject. That alone proves nothing: a listener with ``ACCEPT_UNTRUSTED`` reports the same principal
    for a certificate of any CA. So ``context`` (key, value) must be present as well: a context extension that the operator
    sets on the verifying listener only. Pins are SHA-256 in lower-case hex; several allow for rotation.
    """

    kind: ClassVar[str] = "principal"
    headers: ClassVar[tuple[str, ...]] = ()
    principals: frozenset[str]
    context: tuple[str, str]
    certificate_sha256: frozenset[str] = frozenset()
    public_key_sha256: frozenset[str] = frozenset()

    def verify(self, request: ForwardedRequest, _now: datetime) -> None:
        """Raise ``Rejection`` unless identity, mark and every configured pin agree."""
        key, value = self.context
        if request.context.get(key) != value:
            raise Rejection(Reason.HOP_CONTEXT_MISMATCH, key=key, presented=request.context.get(key))
        presented = request.peer.principal
        if not presented:
            raise Rejection(Reason.HOP_PRINCIPAL_MISSING)
        if presented not in self.principals:
            raise Rejection(Reason.HOP_PRINCIPAL_MISMATCH, presented=presented)
        if self.certificate_sha256 or self.public_key_sha256:
            self._verify_pins(request.peer.unverified_certificate)

    def _verify_pins(self, presented: str) -> None:
        if not presented:
            raise Rejection(Reason.HOP_CERTIFICATE_MISSING)
        certificate_sha256, public_key_sha256 = _fingerprints(presented)
        if self.certificate_sha256 and certificate_sha256 not in self.certificate_sha256:
            raise Rejection(Reason.HOP_CERTIFICATE_MISMATCH, certificate_sha256=certificate_sha256)
        if self.public_key_sha256 and public_key_sha256 not in self.public_key_sha256:
            raise Rejection(Reason.HOP_CERTIFICATE_MISMATCH, public_key_sha256=public_key_sha256)


def _fingerprints(url_encoded_pem: str) -> tuple[str, str]:
    """SHA-256 of the certificate and of its SubjectPublicKeyInfo, from Envoy's ``source.certificate``.

    NOTE: the lenient PEM loader is right here: the value is Envoy's own rendering of the certificate of its TLS session,
    not text out of a header.
    """
    try:
        certificate = x509.load_pem_x509_certificate(unquote_to_bytes(url_encoded_pem))
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        der = certificate.public_bytes(Encoding.DER)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.HOP_CERTIFICATE_MISMATCH, detail=str(error)) from error
    return hashlib.sha256(der).hexdigest(), hashlib.sha256(spki).hexdigest()
