"""The wire formats by name, and which decoder reads each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from authz_server.forwarded.base64_der import decode_base64_der, decode_base64_der_quoted, within_quotes
from authz_server.forwarded.base64_der_concat import decode_base64_der_concat
from authz_server.forwarded.base64_der_list import decode_base64_der_list
from authz_server.forwarded.base64_pem import decode_base64_pem
from authz_server.forwarded.rewritten_pem import decode_pem_folded, decode_pem_spaces
from authz_server.forwarded.rfc9440 import decode_client_cert, decode_client_cert_chain
from authz_server.forwarded.url_pem import decode_url_pem

if TYPE_CHECKING:
    from collections.abc import Callable


class Format(StrEnum):
    """The wire formats, by the names that settings, presets and ``inspect`` use."""

    XFCC = "xfcc"
    RFC9440 = "rfc9440"
    URL_PEM = "url-pem"
    BASE64_DER = "base64-der"
    BASE64_DER_QUOTED = "base64-der-quoted"
    BASE64_DER_LIST = "base64-der-list"
    BASE64_DER_CONCAT = "base64-der-concat"
    PEM_SPACES = "pem-spaces"
    PEM_FOLDED = "pem-folded"
    BASE64_PEM = "base64-pem"


@dataclass(frozen=True, slots=True)
class Wire:
    """How one format is read: the certificate header, and a separate chain header of the same product.

    ``is_chain`` says whether the certificate header may hold intermediates behind the leaf. Each decoder takes the value,
    of visible ASCII and bounded size, and gives DER, the leaf first; it raises ``Rejection`` for anything else.
    """

    decode: Callable[[bytes], tuple[bytes, ...]]
    decode_chain: Callable[[bytes], tuple[bytes, ...]]
    is_chain: bool
    text: re.Pattern[bytes] = re.compile(rb"[\t -~]*")


def _decode_rfc9440(value: bytes) -> tuple[bytes, ...]:
    return (decode_client_cert(value),)


def _decode_quoted_concat(value: bytes) -> tuple[bytes, ...]:
    return decode_base64_der_concat(within_quotes(value))


# XFCC is read by `decode_xfcc`, which needs to know the element.
WIRES: dict[Format, Wire] = {
    Format.RFC9440: Wire(_decode_rfc9440, decode_client_cert_chain, is_chain=False),
    Format.URL_PEM: Wire(decode_url_pem, decode_url_pem, is_chain=True),
    Format.BASE64_DER: Wire(decode_base64_der, decode_base64_der_concat, is_chain=False),
    Format.BASE64_DER_QUOTED: Wire(decode_base64_der_quoted, _decode_quoted_concat, is_chain=False),
    Format.BASE64_DER_LIST: Wire(decode_base64_der_list, decode_base64_der_list, is_chain=True),
    Format.BASE64_DER_CONCAT: Wire(decode_base64_der_concat, decode_base64_der_concat, is_chain=True),
    Format.PEM_SPACES: Wire(decode_pem_spaces, decode_pem_spaces, is_chain=False),
    Format.PEM_FOLDED: Wire(decode_pem_folded, decode_pem_folded, is_chain=False, text=re.compile(rb"[\t\r\n -~]*")),
    Format.BASE64_PEM: Wire(decode_base64_pem, decode_base64_pem, is_chain=True),
}

# Formats that are lists on the wire: a header that arrives on several lines is one value (RFC 9110 §5.3).
LISTS = frozenset({Format.RFC9440})

# The header, and the separate chain header where the format has one, unless a preset or the operator names others.
DEFAULT_HEADERS: dict[Format, tuple[str, tuple[str, ...]]] = {
    Format.XFCC: ("x-forwarded-client-cert", ()),
    Format.RFC9440: ("client-cert", ("client-cert-chain",)),
    **dict.fromkeys((form for form in Format if form not in {Format.XFCC, Format.RFC9440}), ("x-client-cert", ())),
}
