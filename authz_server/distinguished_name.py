r"""The text of a distinguished name (RFC 4514, RFC 2253) -> what a certificate's name is compared by.

    name  = rdn *( "," rdn )        rdn = pair *( "+" pair )        pair = type "=" ( "#" DER in hex / text )

OpenSSL's RFC 2253 form (nginx, Apache, HAProxy) escapes bytes outside ASCII as ``\C3\BC`` and writes a type that it has no
name for as ``1.2.3.4=#…``; Go and Java leave UTF-8 as it is and write ``#…`` for nearly every type beyond RFC 4514 §3. Go's
``pkix.Name`` regroups a name by type before it writes it, so its text agrees only where the certificate has that order.
``x509.Name.from_rfc4514_string`` reads that DER as if it were the text, knows nine types, and refuses an empty common name.
Refused: ``/CN=…`` (OpenSSL's one-line form does not escape), quoted values (RFC 2253 §4, of LDAPv2) and types without a
row below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

from authz_server.der import read_der
from authz_server.reasons import Rejection

if TYPE_CHECKING:
    from authz_server.model import ComparableName

_TYPE = r"([A-Za-z][A-Za-z0-9-]*|(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+)"
_TEXT = r'(?:[^\\",+;<>\x00]|\\[ "#+,;<=>\\]|\\[0-9A-Fa-f]{2})*'
_HEX = r"#((?:[0-9A-Fa-f]{2})+)"
# NOTE: spaces around separators are those of LDAPv2 (RFC 2253 §4); no type begins with one, and a value's own are escaped.
_PAIR = re.compile(rf"{_TYPE}=(?:{_HEX}|((?!#){_TEXT}))(?:([,+]) *|\Z)")
_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)

# Names are compared without case (RFC 4514 §3). Every one that OpenSSL, Go, Java or .NET writes for a type that CAs use.
_TYPES = {
    "c": NameOID.COUNTRY_NAME,
    "cn": NameOID.COMMON_NAME,
    "dc": NameOID.DOMAIN_COMPONENT,
    "l": NameOID.LOCALITY_NAME,
    "o": NameOID.ORGANIZATION_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "st": NameOID.STATE_OR_PROVINCE_NAME,
    "s": NameOID.STATE_OR_PROVINCE_NAME,
    "street": NameOID.STREET_ADDRESS,
    "uid": NameOID.USER_ID,
    "emailaddress": NameOID.EMAIL_ADDRESS,
    "e": NameOID.EMAIL_ADDRESS,
    "serialnumber": NameOID.SERIAL_NUMBER,
    "sn": NameOID.SURNAME,
    "surname": NameOID.SURNAME,
    "gn": NameOID.GIVEN_NAME,
    "givenname": NameOID.GIVEN_NAME,
    "initials": NameOID.INITIALS,
    "generationqualifier": NameOID.GENERATION_QUALIFIER,
    "pseudonym": NameOID.PSEUDONYM,
    "title": NameOID.TITLE,
    "dnqualifier": NameOID.DN_QUALIFIER,
    "businesscategory": NameOID.BUSINESS_CATEGORY,
    "postaladdress": NameOID.POSTAL_ADDRESS,
    "postalcode": NameOID.POSTAL_CODE,
    "organizationidentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "unstructuredname": NameOID.UNSTRUCTURED_NAME,
    "jurisdictionc": NameOID.JURISDICTION_COUNTRY_NAME,
    "jurisdictionst": NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME,
    "jurisdictionl": NameOID.JURISDICTION_LOCALITY_NAME,
    "inn": NameOID.INN,
    "ogrn": NameOID.OGRN,
    "snils": NameOID.SNILS,
    "x500uniqueidentifier": NameOID.X500_UNIQUE_IDENTIFIER,
}
_DOTTED = {name: oid.dotted_string for name, oid in _TYPES.items()}

# X.690 §8.1.2, Table 1 of X.680 §8.4: the string types of X.520's DirectoryString and those beside it.
_BIT_STRING = 0x03
_STRINGS = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "utf-8",  # TeletexString, as `cryptography` reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


def parse_distinguished_name(text: str) -> ComparableName:
    """The name, root first; raises ``ValueError`` for text that is not exactly one name or has a type that is not known."""
    rdns: list[frozenset[tuple[str, str]]] = []
    pairs: set[tuple[str, str]] = set()
    position, separator = 0, ","
    while separator:
        matched = _PAIR.match(text, position)
        if matched is None:
            msg = f"no RFC 4514 name from character {position} on"
            raise ValueError(msg)
        kind, encoded, value, separator = matched.groups()
        pairs.add((_dotted(kind), _unescape(value) if encoded is None else _from_der(bytes.fromhex(encoded))))
        position = matched.end()
        if separator != "+":
            rdns.append(frozenset(pairs))
            pairs = set()
    # RFC 4514 §2.1: the text begins with the last.
    return tuple(reversed(rdns))


def _dotted(kind: str) -> str:
    if kind[0].isdigit():
        return kind
    if kind.lower() not in _DOTTED:
        msg = f"attribute type {kind} is not known"
        raise ValueError(msg)
    return _DOTTED[kind.lower()]


def _unescape(value: str) -> str:
    # Escapes stand for bytes of UTF-8 (RFC 4514 §2.4), raw text may stand beside them.
    return _ESCAPED.sub(lambda pair: bytes.fromhex(pair[1].decode()) if pair[1] else pair[2], value.encode()).decode()


def _from_der(encoded: bytes) -> str:
    try:
        tag, content = read_der(encoded)
    except Rejection as error:
        msg = "no DER behind #"
        raise ValueError(msg) from error
    if tag == _BIT_STRING:
        return f"#{content.hex()}"
    if tag not in _STRINGS:
        msg = f"no string type behind #: {tag:#04x}"
        raise ValueError(msg)
    return content.decode(_STRINGS[tag])
