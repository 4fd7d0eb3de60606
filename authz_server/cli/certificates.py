"""How commands show certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator


def summary(certificate: Certificate) -> dict[str, str]:
    """SHA-256 and subject; raises ``Rejection`` if the subject cannot be read."""
    try:
        return {"sha256": certificate.sha256, "subject": certificate.x509.subject.rfc4514_string()}
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def details(certificate: Certificate) -> dict[str, Any]:
    """Subject, issuer, alternative names, validity and SHA-256; raises ``Rejection`` if a part cannot be read."""
    parsed = certificate.x509
    try:
        return {
            "subject": parsed.subject.rfc4514_string(),
            "issuer": parsed.issuer.rfc4514_string(),
            "serial": f"{parsed.serial_number:x}",
            "names": list(_alternative_names(parsed)),
            "not_before": parsed.not_valid_before_utc.isoformat(),
            "not_after": parsed.not_valid_after_utc.isoformat(),
            "sha256": certificate.sha256,
        }
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def _alternative_names(parsed: x509.Certificate) -> Iterator[str]:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for label, kind in (("uri", x509.UniformResourceIdentifier), ("dns", x509.DNSName), ("email", x509.RFC822Name)):
        for value in names.get_values_for_type(kind):
            yield f"{label}:{value}"


def lines(title: str, certificate: Certificate) -> str:
    """The details as text for a terminal: control characters of hostile names are escaped."""
    shown = details(certificate)
    shown["names"] = ", ".join(shown["names"]) or "-"
    return "\n".join([title, *(f"  {key:<11} {_printable(str(value))}" for key, value in shown.items())])


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
