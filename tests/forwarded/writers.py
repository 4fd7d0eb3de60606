"""Every format's writer under its name, as the product writes it: what a decoder must read, and every other must refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz_server.forwarded import Format
from authz_server.forwarded.base64_der import encode_base64_der, encode_base64_der_quoted
from authz_server.forwarded.base64_der_concat import encode_base64_der_concat
from authz_server.forwarded.base64_der_list import encode_base64_der_list
from authz_server.forwarded.base64_pem import encode_base64_pem
from authz_server.forwarded.rewritten_pem import encode_pem_folded, encode_pem_spaces
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_text import encode_text_elements

if TYPE_CHECKING:
    from collections.abc import Callable

# The formats whose certificate header may hold intermediates.
CHAINS = frozenset({Format.XFCC, Format.URL_PEM, Format.BASE64_DER_LIST, Format.BASE64_DER_CONCAT, Format.BASE64_PEM})

WRITERS: dict[Format, Callable[[tuple[bytes, ...]], str]] = {
    Format.XFCC: lambda chain: encode_text_elements((XfccElement(cert=chain[:1], chain=chain),)),
    Format.RFC9440: lambda chain: encode_client_cert(chain[0]),
    Format.URL_PEM: encode_url_pem,
    Format.BASE64_DER: lambda chain: encode_base64_der(chain[0]),
    Format.BASE64_DER_QUOTED: lambda chain: encode_base64_der_quoted(chain[0]),
    Format.BASE64_DER_LIST: encode_base64_der_list,
    Format.BASE64_DER_CONCAT: encode_base64_der_concat,
    Format.PEM_SPACES: encode_pem_spaces,
    Format.PEM_FOLDED: encode_pem_folded,
    Format.BASE64_PEM: encode_base64_pem,
}


def written(form: Format, chain: tuple[bytes, ...]) -> str:
    """The value that holds this chain, or its leaf where the format holds no more."""
    return WRITERS[form](chain if form in CHAINS else chain[:1])
