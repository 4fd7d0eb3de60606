"""The JSON form of X-Forwarded-Client-Cert, Envoy 1.38 and later (``SetCurrentClientCertDetails.format: JSON``).

An array of objects with the keys ``by``, ``hash``, ``cert``, ``chain``, ``subject``, ``issuer``, ``uri`` and ``dns``;
``cert`` is plain PEM, ``chain`` an array of it, leaf first.
"""

from __future__ import annotations

import json
from typing import Any

from authz_server.forwarded.encodings import decode_pem, encode_pem
from authz_server.forwarded.limits import MAX_ELEMENTS
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.reasons import Reason, Rejection

_KEYS = frozenset({"by", "hash", "cert", "chain", "subject", "issuer", "uri", "dns"})


def decode_json_elements(text: str) -> tuple[XfccElement, ...]:
    """Every element of the header, in order; raises ``Rejection`` for anything but an array of known objects."""
    try:
        decoded = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of opening brackets
        raise Rejection(Reason.XFCC_MALFORMED, detail=type(error).__name__) from error
    if not isinstance(decoded, list) or not all(isinstance(member, dict) for member in decoded):
        raise Rejection(Reason.XFCC_MALFORMED, detail="not an array of objects")
    if len(decoded) > MAX_ELEMENTS:
        raise Rejection(Reason.XFCC_MALFORMED, detail="too many elements")
    if not decoded:
        raise Rejection(Reason.CREDENTIAL_MISSING)
    return tuple(_element(member) for member in decoded)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 §4 leaves duplicate names to the parser, so two parsers may see two different certificates.
    keys = {key for key, _ in pairs}
    if len(keys) < len(pairs):
        raise Rejection(Reason.XFCC_DUPLICATE_KEY)
    for unknown in sorted(keys - _KEYS):
        # JSON can spell lone surrogates, which no log line can hold.
        raise Rejection(Reason.XFCC_UNKNOWN_KEY, key=ascii(unknown)[1:-1])
    return dict(pairs)


def _element(member: dict[str, Any]) -> XfccElement:
    return XfccElement(
        by=_texts(member, "by") or (),
        hash=_text(member, "hash"),
        cert=_certificates(_text(member, "cert")),
        chain=tuple(der for pem in _texts(member, "chain") or () for der in _certificates(pem)),
        subject=_text(member, "subject"),
        issuer=_text(member, "issuer"),
        uri=_texts(member, "uri"),
        dns=_texts(member, "dns"),
    )


def _text(member: dict[str, Any], key: str) -> str | None:
    value = member.get(key)
    if key in member and not isinstance(value, str):
        raise Rejection(Reason.XFCC_MALFORMED, key=key)
    return value


def _texts(member: dict[str, Any], key: str) -> tuple[str, ...] | None:
    if key not in member:
        return None
    value = member[key]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise Rejection(Reason.XFCC_MALFORMED, key=key)
    return tuple(values)


def _certificates(pem: str | None) -> tuple[bytes, ...]:
    if not pem:
        return ()
    try:
        certificates = decode_pem(pem.encode("ascii"))
    except UnicodeEncodeError as error:
        raise Rejection(Reason.HEADER_NOT_ASCII) from error
    if len(certificates) > 1:
        raise Rejection(Reason.XFCC_MALFORMED, key="cert", certificates=len(certificates))
    return certificates


def encode_json_elements(elements: tuple[XfccElement, ...]) -> str:
    """The header as Envoy writes it."""
    return json.dumps([_encode_element(element) for element in elements], separators=(",", ":"))


def _encode_element(element: XfccElement) -> dict[str, Any]:
    members = {
        "by": list(element.by) or None,
        "hash": element.hash,
        "cert": encode_pem(element.cert) or None,
        "chain": [encode_pem((der,)) for der in element.chain] or None,
        "subject": element.subject,
        "issuer": element.issuer,
        "uri": None if element.uri is None else list(element.uri),
        "dns": None if element.dns is None else list(element.dns),
    }
    return {key: value for key, value in members.items() if value is not None}
