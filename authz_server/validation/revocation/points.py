"""Distribution points: how a certificate and the CRLs about it find each other (RFC 5280 §4.2.1.13, §5.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable

# §6.3.2 (a): what reasons_mask holds once a certificate has been looked up for every reason.
ALL_REASONS = frozenset(
    flag.value for flag in x509.ReasonFlags if flag not in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
)


def point_names(
    full_name: Iterable[x509.GeneralName] | None, relative_name: x509.RelativeDistinguishedName | None, issuer: x509.Name
) -> frozenset[str]:
    """The names of one point in comparable form; a relative name continues the CRL issuer's (§4.2.1.13)."""
    names = list(full_name or ())
    if relative_name is not None:
        names.append(x509.DirectoryName(x509.Name([*issuer.rdns, relative_name])))
    return frozenset(map(_comparable, names))


def point_reasons(reasons: Iterable[x509.ReasonFlags] | None) -> frozenset[str]:
    """The reasons for which a point or a CRL speaks; without a word about them, for all."""
    return ALL_REASONS if reasons is None else frozenset(flag.value for flag in reasons)


def _comparable(name: x509.GeneralName) -> str:
    """URIs as they are, directory names by their DER."""
    if isinstance(name, x509.DirectoryName):
        return f"dirname:{name.value.public_bytes().hex()}"
    return f"{type(name).__name__}:{name.value}"
