"""What X509-SVID asks for beyond RFC 5280, of the leaf and of the CAs above it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.reasons import Reason, Rejection
from authz_server.validation.extensions import find_extension

if TYPE_CHECKING:
    from authz_server.model import Certificate

# SPIFFE-ID §2.1 and §2.3: the trust domain of a SPIFFE ID; what follows is checked where the identity is made.
_TRUST_DOMAIN = re.compile(r"spiffe://([a-z0-9._-]{1,255})(/.*)?", re.DOTALL)


def presented_trust_domain(leaf: Certificate) -> str | None:
    """The trust domain that an unverified leaf claims in its only URI name, ``None`` if it claims none.

    X509-SVID §5.1: by this the bundle is chosen, before anything is believed.
    """
    uris = _uris(leaf)
    matched = _TRUST_DOMAIN.fullmatch(uris[0]) if len(uris) == 1 else None
    return matched[1] if matched else None


def check_leaf_svid(leaf: Certificate, trust_domain: str) -> None:
    """Raise ``Rejection`` unless the leaf is an X509-SVID of ``trust_domain``. Its signature is verified elsewhere."""
    presented = presented_trust_domain(leaf)
    if presented != trust_domain:  # X509-SVID §2, §5.2
        raise Rejection(Reason.SVID_INVALID, presented=presented, expected=trust_domain)
    try:
        usage = leaf.x509.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        raise Rejection(Reason.SVID_INVALID, detail="no key usage") from None
    if not usage.critical:  # X509-SVID §4.3
        raise Rejection(Reason.SVID_INVALID, detail="key usage is not critical")


def check_authority_svid(authority: Certificate, trust_domain: str) -> None:
    """Raise ``Rejection`` if a CA certificate names itself in SPIFFE, but not as the trust domain (X509-SVID §3.2)."""
    uris = [uri for uri in _uris(authority) if uri.lower().startswith("spiffe:")]
    if uris and uris != [f"spiffe://{trust_domain}"]:
        raise Rejection(Reason.SVID_INVALID, authority=authority.sha256, presented=uris)


def _uris(certificate: Certificate) -> list[str]:
    try:
        names = find_extension(certificate.x509.extensions, x509.SubjectAlternativeName)
        return [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error
