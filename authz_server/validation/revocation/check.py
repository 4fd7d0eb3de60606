"""Asking about every certificate of a verified path, and what follows from the answer in each mode."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.reasons import Reason, Rejection
from authz_server.validation.extensions import find_extension
from authz_server.validation.revocation.crl import general_name
from authz_server.validation.revocation.ocsp import OcspStatus

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import Certificate, CertificationPath
    from authz_server.validation.revocation.data import RevocationData
    from authz_server.validation.revocation.index import CrlIndex

# RFC 9608 §2: the CA will never publish revocation data for this certificate.
_NO_REV_AVAIL = x509.ObjectIdentifier("2.5.29.56")


class RevocationMode(StrEnum):
    """What follows when nothing fresh is known about a certificate: ``off`` does not ask, ``soft`` allows, ``hard`` refuses."""

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"


class RevocationStatus(StrEnum):
    """What is known about a whole path that nothing revoked."""

    NOT_CHECKED = "not-checked"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """``stale_grace`` is how long past nextUpdate data is still believed; ``clock_skew`` how far in the future it may begin.

    ``max_age`` bounds OCSP answers without nextUpdate.
    """

    mode: RevocationMode = RevocationMode.OFF
    stale_grace: timedelta = timedelta(0)
    clock_skew: timedelta = timedelta(seconds=60)
    max_age: timedelta = timedelta(hours=24)

    def is_fresh(self, this_update: datetime, next_update: datetime | None, now: datetime) -> bool:
        """Whether data of these times may be believed at ``now``."""
        end = this_update + self.max_age if next_update is None else next_update
        return this_update <= now + self.clock_skew and now <= end + self.stale_grace


@dataclass(slots=True)
class _Findings:
    """What was found about one certificate: ``is_good`` by fresh data, ``is_stale`` if there only was stale data."""

    is_good: bool = False
    is_stale: bool = False

    def add(self, *, is_fresh: bool) -> None:
        """A source of revocation data in which the certificate is not revoked."""
        self.is_good |= is_fresh
        self.is_stale |= not is_fresh


@dataclass(frozen=True, slots=True)
class _Question:
    """One certificate and the one above it on the verified path."""

    subject: x509.Certificate
    issuer: x509.Certificate
    spki: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Take the issuer's key out."""
        spki = self.issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        object.__setattr__(self, "spki", spki)


def check_revocation(path: CertificationPath, data: RevocationData, policy: RevocationPolicy, now: datetime) -> RevocationStatus:
    """What is known at ``now`` about every certificate of ``path`` but the anchor; raises ``Rejection`` if one is revoked.

    RFC 5280 §6.3.3 and RFC 6960 §3.2. Where nothing fresh is known, ``hard`` raises ``Rejection`` as well, with a reason
    that is our fault and not the client's. A revocation counts however old the data is that says so.
    """
    if policy.mode is RevocationMode.OFF:
        return RevocationStatus.NOT_CHECKED
    status = RevocationStatus.GOOD
    chain = (path.leaf, *path.intermediates, path.anchor)
    for subject, issuer in pairwise(chain):
        try:
            findings = _ask(_Question(subject.x509, issuer.x509), data, policy, now)
        except (OverflowError, *CERTIFICATE_PARSE_ERRORS) as error:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, sha256=subject.sha256, detail=str(error)) from error
        if findings is None:
            raise _revoked(subject, path)
        if not findings.is_good:
            if policy.mode is RevocationMode.HARD:
                reason = Reason.REVOCATION_STALE if findings.is_stale else Reason.REVOCATION_UNAVAILABLE
                raise Rejection(reason, sha256=subject.sha256, issuer=issuer.x509.subject.rfc4514_string())
            status = RevocationStatus.UNKNOWN
    return status


def _revoked(subject: Certificate, path: CertificationPath) -> Rejection:
    reason = Reason.CERTIFICATE_REVOKED if subject is path.leaf else Reason.ISSUER_REVOKED
    return Rejection(reason, sha256=subject.sha256, serial=f"{subject.x509.serial_number:x}")


def _ask(question: _Question, data: RevocationData, policy: RevocationPolicy, now: datetime) -> _Findings | None:
    """What is known about one certificate, or ``None`` if it is revoked."""
    findings = _Findings()
    if _has_no_revocation_data(question.subject):
        findings.add(is_fresh=True)
    if _is_revoked_by_ocsp(question, data, policy, now, findings) or _is_revoked_by_crl(question, data, policy, now, findings):
        return None
    return findings


def _has_no_revocation_data(subject: x509.Certificate) -> bool:
    """RFC 9608 §3: noRevAvail says that there is nothing to ask for; a CA certificate must not hold it (§2)."""
    if not any(extension.oid == _NO_REV_AVAIL for extension in subject.extensions):
        return False
    constraints = find_extension(subject.extensions, x509.BasicConstraints)
    return constraints is None or not constraints.ca


def _is_revoked_by_ocsp(
    question: _Question, data: RevocationData, policy: RevocationPolicy, now: datetime, findings: _Findings
) -> bool:
    for answer in data.answers_about(question.subject.serial_number):
        if not answer.is_about(question.subject.serial_number, question.issuer):
            continue
        if answer.this_update > now + policy.clock_skew or not answer.is_by_issuer(question.issuer, now):
            continue
        if answer.status is OcspStatus.REVOKED:
            return True
        if answer.status is OcspStatus.GOOD:
            findings.add(is_fresh=policy.is_fresh(answer.this_update, answer.next_update, now))
    return False


def _is_revoked_by_crl(
    question: _Question, data: RevocationData, policy: RevocationPolicy, now: datetime, findings: _Findings
) -> bool:
    serial = question.subject.serial_number
    for base, deltas in _lists(question, data, policy, now):
        said = base.serials.find(serial)
        is_fresh = policy.is_fresh(base.this_update, base.next_update, now)
        for delta in deltas:
            # A delta tells of the changes since its base: what it says of a number counts, the newest last.
            is_delta_fresh = policy.is_fresh(delta.this_update, delta.next_update, now)
            changed = delta.serials.find(serial)
            if changed or (changed is False and is_delta_fresh):
                said = changed
            is_fresh |= is_delta_fresh
        if said:
            return True
        findings.add(is_fresh=is_fresh)
    return False


def _lists(
    question: _Question, data: RevocationData, policy: RevocationPolicy, now: datetime
) -> list[tuple[CrlIndex, list[CrlIndex]]]:
    """The newest complete CRL of each scope that covers the certificate, and the deltas to it, oldest first."""
    usable = [crl for crl in data.crls_of(question.subject.issuer.public_bytes()) if _is_usable(crl, question, policy, now)]
    bases: dict[tuple[object, ...], CrlIndex] = {}
    for crl in usable:
        key = (crl.scope, crl.key_id)
        if crl.base_number is None and (key not in bases or crl.is_newer_than(bases[key])):
            bases[key] = crl
    return [(base, _deltas(base, usable)) for base in bases.values()]


def _deltas(base: CrlIndex, usable: list[CrlIndex]) -> list[CrlIndex]:
    """RFC 5280 §5.2.4 (a) to (d): by the same key for the same scope, from no later base than this one, and newer than it."""
    deltas = [
        crl
        for crl in usable
        if crl.base_number is not None
        and (crl.scope, crl.key_id) == (base.scope, base.key_id)
        and base.number is not None
        and crl.number is not None
        and crl.base_number <= base.number < crl.number
    ]
    return sorted(deltas, key=lambda crl: crl.number or 0)


def _is_usable(crl: CrlIndex, question: _Question, policy: RevocationPolicy, now: datetime) -> bool:
    """RFC 5280 §6.3.3 (b), (f), (g): it has begun, speaks of this certificate, and its issuer's key signed it."""
    if crl.this_update > now + policy.clock_skew or not _is_in_scope(crl, question.subject):
        return False
    usage = find_extension(question.issuer.extensions, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    return crl.is_by(question.issuer.public_key(), question.spki)


def _is_in_scope(crl: CrlIndex, subject: x509.Certificate) -> bool:
    constraints = find_extension(subject.extensions, x509.BasicConstraints)
    is_authority = constraints is not None and constraints.ca
    if (crl.scope.only_users and is_authority) or (crl.scope.only_authorities and not is_authority):
        return False
    return crl.scope.names is None or not crl.scope.names.isdisjoint(_distribution_points(subject))


def _distribution_points(subject: x509.Certificate) -> frozenset[str]:
    """The names of the certificate's distribution points; without the extension, its issuer's name (§6.3.3)."""
    points = find_extension(subject.extensions, x509.CRLDistributionPoints)
    if points is None:
        return frozenset({general_name(x509.DirectoryName(subject.issuer))})
    # A point with cRLIssuer asks for an indirect CRL, one with reasons for a CRL of some reasons: neither is supported.
    usable = [point for point in points if point.crl_issuer is None and point.reasons is None]
    return frozenset(general_name(name) for point in usable for name in point.full_name or ())
