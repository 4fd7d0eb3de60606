"""One CRL: what it says and for which certificates, or why it cannot be used.

Its signature is checked where the issuer is known: on a verified path.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.validation.extensions import find_extension
from authz_server.validation.revocation.index import CrlIndex, Scope, SortedSerials
from authz_server.validation.revocation.signature import DetachedSignature

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5280 §5.3.1: by what a delta CRL takes an entry back. Every other reason, certificateHold too, counts as revoked.
_REMOVE = x509.ReasonFlags.remove_from_crl


class CrlError(ValueError):
    """Why a CRL cannot be used; a CRL that is not understood whole says nothing (RFC 5280 §5.2)."""


@dataclass(frozen=True, slots=True)
class ParsedCrl:
    """A CRL's index and its exact bytes' SHA-256."""

    index: CrlIndex
    sha256: str


def parse_crl(der: bytes) -> ParsedCrl:
    """Parse one DER CRL; raises ``CrlError`` for one that cannot be used.

    Establishes its form only. Does NOT establish who signed it, nor that it is current.
    """
    try:
        crl = x509.load_der_x509_crl(der)
        return ParsedCrl(_index(crl), hashlib.sha256(der).hexdigest())
    except CrlError:
        raise
    except CERTIFICATE_PARSE_ERRORS as error:
        raise CrlError(str(error)) from error


def _index(crl: x509.CertificateRevocationList) -> CrlIndex:
    _refuse_unknown_extensions(crl)
    if crl.next_update_utc is None:
        # RFC 5280 §5.1.2.5: conforming CAs must say when the next one comes; without it nobody knows when this one is stale.
        msg = "no nextUpdate"
        raise CrlError(msg)
    number, delta = find_extension(crl.extensions, x509.CRLNumber), find_extension(crl.extensions, x509.DeltaCRLIndicator)
    key_id = find_extension(crl.extensions, x509.AuthorityKeyIdentifier)
    try:
        signature = DetachedSignature.over(
            crl.tbs_certlist_bytes, crl.signature, crl.signature_hash_algorithm, crl.signature_algorithm_parameters
        )
    except ValueError as error:
        raise CrlError(str(error)) from error
    return CrlIndex(
        issuer=crl.issuer.public_bytes(),
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        number=None if number is None else number.crl_number,
        base_number=None if delta is None else delta.crl_number,
        key_id=None if key_id is None else key_id.key_identifier,
        scope=_scope(find_extension(crl.extensions, x509.IssuingDistributionPoint)),
        signature=signature,
        serials=SortedSerials.build(_entries(crl)),
    )


def _refuse_unknown_extensions(crl: x509.CertificateRevocationList) -> None:
    known = {x509.IssuingDistributionPoint.oid, x509.DeltaCRLIndicator.oid}
    for extension in crl.extensions:
        if extension.critical and extension.oid not in known:
            msg = f"critical extension {extension.oid.dotted_string}"
            raise CrlError(msg)


def _scope(point: x509.IssuingDistributionPoint | None) -> Scope:
    """RFC 5280 §5.2.5. Indirect CRLs, CRLs for some reasons only and those for attribute certificates are not supported."""
    if point is None:
        return Scope()
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs or point.relative_name:
        msg = "an indirect CRL, one for some reasons, for attribute certificates, or with a relative name"
        raise CrlError(msg)
    if point.only_contains_user_certs and point.only_contains_ca_certs:
        msg = "for end entities only and for CAs only"
        raise CrlError(msg)
    names = None if point.full_name is None else frozenset(map(general_name, point.full_name))
    if names is None and not (point.only_contains_user_certs or point.only_contains_ca_certs):
        msg = "an issuing distribution point that says nothing"
        raise CrlError(msg)
    return Scope(names, only_users=point.only_contains_user_certs, only_authorities=point.only_contains_ca_certs)


def general_name(name: x509.GeneralName) -> str:
    """A comparable text for a distribution point's name: URIs as they are, directory names by their DER."""
    if isinstance(name, x509.DirectoryName):
        return f"dirname:{name.value.public_bytes().hex()}"
    return f"{type(name).__name__}:{name.value}"


def _entries(crl: x509.CertificateRevocationList) -> Iterator[tuple[int, bool]]:
    """(serial, is revoked) for each entry; an entry that is not understood makes the CRL unusable (§5.3)."""
    for entry in crl:
        removed = False
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CRLReason):
                removed = extension.value.reason is _REMOVE
            elif extension.critical:
                msg = f"critical entry extension {extension.oid.dotted_string}"
                raise CrlError(msg)
        yield entry.serial_number, not removed
