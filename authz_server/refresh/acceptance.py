"""What new revocation data must be before it replaces what is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.validation.extensions import find_extension

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from authz_server.validation.revocation import CrlIndex, ParsedCrl
    from authz_server.validation.revocation.index import Scope
    from authz_server.validation.revocation.signature import DetachedSignature

# The CA's clock may go before ours.
_CLOCK_SKEW = timedelta(seconds=60)

_Lineage = tuple[bytes, "Scope", bool]


@dataclass(frozen=True, slots=True)
class _Signer:
    key: CertificatePublicKeyTypes
    spki: bytes


@dataclass(frozen=True, slots=True)
class Authorities:
    """The keys that may sign fetched CRLs, by the name of their CA (DER)."""

    signers: dict[bytes, tuple[_Signer, ...]]

    @classmethod
    def of(cls, pems: Iterable[bytes]) -> Authorities:
        """The CA certificates in these files; raises ``ValueError``. A CA whose keyUsage forbids it signs no CRL (§4.2.1.3).

        SPIFFE bundles (JSON) are passed over: one must not keep the CAs of the other files from being known.
        """
        signers: dict[bytes, tuple[_Signer, ...]] = {}
        files = (pem for pem in pems if not pem.lstrip().startswith(b"{"))
        try:
            for certificate in (each for pem in files for each in x509.load_pem_x509_certificates(pem)):
                usage = find_extension(certificate.extensions, x509.KeyUsage)
                if usage is None or usage.crl_sign:
                    key, name = certificate.public_key(), certificate.subject.public_bytes()
                    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                    signers[name] = (*signers.get(name, ()), _Signer(key, spki))
        except CERTIFICATE_PARSE_ERRORS as error:
            raise ValueError(str(error)) from error
        return cls(signers)

    def have_made(self, issuer: bytes, signature: DetachedSignature) -> bool:
        """Whether this is a signature of a CA of this name (DER)."""
        return any(signature.is_by(signer.key) for signer in self.signers.get(issuer, ()))

    def have_signed(self, crls: Iterable[ParsedCrl]) -> bool:
        """Whether each of these CRLs is signed by a CA of the name that it gives as its issuer's."""
        return all(
            any(crl.index.is_by(signer.key, signer.spki) for signer in self.signers.get(crl.index.issuer, ())) for crl in crls
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The last good CRLs of a source; ``is_verified`` if a CA that we know signed each."""

    crls: tuple[ParsedCrl, ...] = ()
    is_verified: bool = False


def accept(new: tuple[ParsedCrl, ...], held: Held, authorities: Authorities, now: datetime, *, is_local: bool) -> Held:
    """``new`` in place of ``held``, or ``RefusedError``.

    1. It has begun.
    2. A CA that we know signed it. A local file need not be: it may be that of a CA which only clients present. But what
       was verified is not replaced by what is not.
    3. It is not older than what is held for the same certificates (RFC 5280 §5.2.3). An unverified one holds nothing up: its
       number is anybody's word.
    4. What was fetched still speaks for the same certificates, as long as what is held is current: else whoever sits on the
       way could take a CA's list away by sending another CA's.

    Does NOT refuse what is past its nextUpdate: what it says is revoked, is. How far it is believed, each request decides.
    """
    late = [crl.index.this_update for crl in new if crl.index.this_update > now + _CLOCK_SKEW]
    if late:
        raise RefusedError(Refusal.NOT_YET_VALID, f"begins {late[0]:%Y-%m-%dT%H:%M:%SZ}")
    is_verified = authorities.have_signed(new)
    if not is_verified and (held.is_verified or not is_local):
        raise RefusedError(Refusal.SIGNER_UNKNOWN, ", ".join(sorted({_name(crl.index) for crl in new})))
    lineages = {_lineage(crl.index): crl.index for crl in new}
    for old in (crl.index for crl in held.crls):
        successor = lineages.get(_lineage(old))
        if successor is None and not is_local and now <= old.next_update:
            raise RefusedError(Refusal.OTHER_CRL, f"held: {_name(old)}")
        if successor is not None and _is_older(successor, old) and not (is_verified and not held.is_verified):
            raise RefusedError(Refusal.ROLLBACK, f"number {_show(successor)}, held {_show(old)}")
    return Held(new, is_verified)


def _is_older(new: CrlIndex, old: CrlIndex) -> bool:
    """By number or by thisUpdate: where the two disagree somebody is wrong, and what is held is what was good."""
    if new.number is not None and old.number is not None and new.number < old.number:
        return True
    return new.this_update < old.this_update


def _lineage(index: CrlIndex) -> _Lineage:
    """CRLs of one lineage replace each other: of one issuer, for the same certificates, complete or delta."""
    return index.issuer, index.scope, index.base_number is not None


def _name(index: CrlIndex) -> str:
    return f"issuer {index.issuer.hex()[:64]}"


def _show(index: CrlIndex) -> str:
    number = "none" if index.number is None else f"{index.number:x}"[:40]
    return f"{number} of {index.this_update:%Y-%m-%dT%H:%M:%SZ}"
