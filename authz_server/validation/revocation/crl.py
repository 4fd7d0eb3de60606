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
from authz_server.validation.revocation.points import ALL_REASONS, point_names, point_reasons
from authz_server.validation.revocation.signature import DetachedSignature

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5280 §5.3.1: by what a delta CRL, and only that, takes an entry back. Every other reason, certificateHold too, counts
# as revoked.
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
    signature = DetachedSignature.over(
        crl.tbs_certlist_bytes, crl.signature, crl.signature_hash_algorithm, crl.signature_algorithm_parameters
    )
    return CrlIndex(
        issuer=crl.issuer.public_bytes(),
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        number=None if number is None else number.crl_number,
        base_number=None if delta is None else delta.crl_number,
        key_id=None if key_id is None else key_id.key_identifier,
        scope=_scope(find_extension(crl.extensions, x509.IssuingDistributionPoint), crl.issuer),
        signature=signature,
        serials=SortedSerials.build(_entries(crl, is_delta=delta is not None)),
    )


def _refuse_unknown_extensions(crl: x509.CertificateRevocationList) -> None:
    known = {x509.IssuingDistributionPoint.oid, x509.DeltaCRLIndicator.oid}
    for extension in crl.extensions:
        if extension.critical and extension.oid not in known:
            msg = f"critical extension {extension.oid.dotted_string}"
            raise CrlError(msg)


def _scope(point: x509.IssuingDistributionPoint | None, issuer: x509.Name) -> Scope:
    """RFC 5280 §5.2.5. Indirect CRLs and those for attribute certificates are not supported."""
    if point is None:
        return Scope(ALL_REASONS)
    if point.indirect_crl or point.only_contains_attribute_certs:
        msg = "an indirect CRL, or one for attribute certificates"
        raise CrlError(msg)
    names = None
    if point.full_name is not None or point.relative_name is not None:
        names = point_names(point.full_name, point.relative_name, issuer)
    return Scope(
        point_reasons(point.only_some_reasons),
        names,
        only_users=point.only_contains_user_certs,
        only_authorities=point.only_contains_ca_certs,
    )


def _entries(crl: x509.CertificateRevocationList, *, is_delta: bool) -> Iterator[tuple[int, bool]]:
    """(serial, is revoked) for each entry; an entry that is not understood makes the CRL unusable (§5.3)."""
    for entry in crl:
        removed = False
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CRLReason):
                removed = is_delta and extension.value.reason is _REMOVE
            elif extension.critical:
                msg = f"critical entry extension {extension.oid.dotted_string}"
                raise CrlError(msg)
        yield entry.serial_number, not removed
