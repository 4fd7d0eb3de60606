"""``CertificationPath`` -> ``Principal``: every name the certificate holds, and which of them is *the* name.

Names come from the parsed, verified certificate only, never from a header beside it. Ambiguity is a refusal: a client with
two names of the kind that identifies it could be either.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Name, NameKind, Principal, attribute_text, comparable_name
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import CertificationPath

# SPIFFE-ID §2: trust domain, path, and at most 2048 bytes (§2.3). The scheme must be written in lower case, as go-spiffe
# demands, although §2 would let it vary.
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}((?:/[A-Za-z0-9._-]+)+)")
_MAX_SPIFFE_ID = 2048

# Unicode general categories that no name may hold: control, format (bidi overrides among them), surrogate, private use,
# unassigned, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# RFC 5321 §2.3.11, reduced to what a certificate may hold (RFC 5280 §4.2.1.6: `Mailbox`, no display name, no comment).
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")

# RFC 5280 §4.2.1.6: the preferred name syntax (RFC 1034 §3.5, RFC 1123 §2.1), labels of at most 63 characters, 253 in all. A
# wildcard is no name of one client.
# NOTE: underscores are taken too: names of services hold them (RFC 8552), and they open no other reading.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_DNS = 253

# RFC 5280 §4.2.1.6: absolute, with a scheme and something behind it, of the characters of RFC 3986 §2, one fragment at most.
_CHARACTER = r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})"
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_CHARACTER}+(?:#{_CHARACTER}*)?")


def identify(path: CertificationPath, kind: NameKind, trust_domain: str = "default") -> Principal:
    """The principal of a path verified in ``trust_domain``; raises ``Rejection`` if there is not exactly one name of ``kind``."""
    leaf = path.leaf.x509
    try:
        public_key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public_key_sha256 = hashlib.sha256(public_key).hexdigest()
        subject, issuer = _distinguished_name(leaf.subject), _distinguished_name(leaf.issuer)
        names = (
            *_alternative_names(leaf),
            *_subject_names(leaf.subject, subject),
            Name(NameKind.SHA256, path.leaf.sha256),
            Name(NameKind.PUBLIC_KEY_SHA256, public_key_sha256),
        )
        return Principal(
            name=_the_name(names, kind),
            names=names,
            subject=subject,
            subject_rdns=comparable_name(leaf.subject),
            issuer=issuer,
            serial=f"{leaf.serial_number:x}",
            certificate_sha256=path.leaf.sha256,
            public_key_sha256=public_key_sha256,
            anchor_sha256=path.anchor.sha256,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            valid_until=path.valid_until,
            trust_domain=trust_domain,
        )
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def is_spiffe_id(text: str) -> bool:
    """Whether ``text`` is a workload's SPIFFE ID (SPIFFE-ID §2), with a path and without dot segments."""
    matched = _SPIFFE_ID.fullmatch(text)
    return matched is not None and len(text) <= _MAX_SPIFFE_ID and not {".", ".."} & set(matched[1].split("/"))


def _the_name(names: tuple[Name, ...], kind: NameKind) -> Name:
    candidates = [name for name in names if name.kind is kind]
    if not candidates:
        raise Rejection(Reason.IDENTITY_MISSING, kind=kind.value)
    if len(candidates) > 1:
        raise Rejection(Reason.IDENTITY_AMBIGUOUS, kind=kind.value, names=len(candidates))
    return candidates[0]


def _alternative_names(leaf: x509.Certificate) -> tuple[Name, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    uris = extension.get_values_for_type(x509.UniformResourceIdentifier)
    return (
        *_spiffe_names(uris),
        *(_uri(uri) for uri in uris),
        *(_dns(name) for name in extension.get_values_for_type(x509.DNSName)),
        *(_email(address) for address in extension.get_values_for_type(x509.RFC822Name)),
    )


def _spiffe_names(uris: list[str]) -> tuple[Name, ...]:
    spiffe = [uri for uri in uris if uri.lower().startswith("spiffe:")]
    if not spiffe:
        return ()
    if not all(is_spiffe_id(uri) for uri in spiffe):
        raise Rejection(Reason.IDENTITY_INVALID, kind=NameKind.SPIFFE.value)
    if len(uris) > 1:
        # X509-SVID §2: a certificate with more than one URI SAN must be rejected.
        raise Rejection(Reason.IDENTITY_AMBIGUOUS, kind=NameKind.SPIFFE.value, names=len(uris))
    return (Name(NameKind.SPIFFE, spiffe[0]),)


def _subject_names(subject: x509.Name, text: str) -> tuple[Name, ...]:
    common_names = tuple(
        _name(NameKind.COMMON_NAME, attribute_text(part.value)) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    )
    return (*((Name(NameKind.SUBJECT, text),) if text else ()), *common_names)


def _uri(text: str) -> Name:
    if not _URI.fullmatch(text):
        raise Rejection(Reason.IDENTITY_INVALID, kind=NameKind.URI.value)
    return Name(NameKind.URI, text)


def _dns(text: str) -> Name:
    if not _DNS.fullmatch(text) or len(text) > _MAX_DNS:
        raise Rejection(Reason.IDENTITY_INVALID, kind=NameKind.DNS.value)
    return Name(NameKind.DNS, text.lower())


def _email(address: str) -> Name:
    # RFC 5280 §7.5: the local part is compared exactly, the host part without case.
    if not _EMAIL.fullmatch(address):
        raise Rejection(Reason.IDENTITY_INVALID, kind=NameKind.EMAIL.value)
    local, _, host = address.rpartition("@")
    return Name(NameKind.EMAIL, f"{local}@{host.lower()}")


def _distinguished_name(name: x509.Name) -> str:
    """RFC 4514 text, most specific first. ``rfc4514_string`` does not escape line breaks, so they are refused before."""
    for part in name:
        _refuse_forbidden(NameKind.SUBJECT, attribute_text(part.value))
    return name.rfc4514_string()


def _name(kind: NameKind, value: str) -> Name:
    if not value:
        raise Rejection(Reason.IDENTITY_INVALID, kind=kind.value)
    _refuse_forbidden(kind, value)
    return Name(kind, value)


def _refuse_forbidden(kind: NameKind, value: str) -> None:
    if not value.isascii() or not value.isprintable():
        for character in value:
            if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
                raise Rejection(Reason.IDENTITY_INVALID, kind=kind.value, code_point=f"U+{ord(character):04X}")
