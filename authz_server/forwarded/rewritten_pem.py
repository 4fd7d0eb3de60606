r"""``pem-spaces`` and ``pem-folded``: PEM of the leaf on one line, because a header value cannot hold its line breaks.

``pem-spaces``: every line break became white space. Written by Apache httpd (``%{SSL_CLIENT_CERT}s``: one space for each CR
and each LF), by F5 iRules that insert ``X509::whole`` raw, and by NetScaler. ``pem-folded``: LF TAB, the obsolete line
folding of HTTP/1.1, as nginx's deprecated ``$ssl_client_cert`` writes it; whoever parses HTTP on the way replaces a fold by
spaces (RFC 9112 §5.2), so those are taken as well.
Sources: Apache ``mod_headers.c`` (``unwrap_header``); nginx ``ngx_event_openssl.c`` (``ngx_ssl_get_certificate``).
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_rewritten_pem, encode_pem

# CR LF became two spaces, a fold one to three characters.
_SPACES = rb"[ \t]{1,3}"
_FOLD = rb"\r?\n[ \t]{1,8}|[ \t]{1,8}"


def decode_pem_spaces(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for anything but PEM with spaces for line breaks."""
    return decode_rewritten_pem(value, _SPACES)


def encode_pem_spaces(chain: tuple[bytes, ...]) -> str:
    """The value as Apache writes it, the trailing space included."""
    return encode_pem(chain).replace("\n", " ")


def decode_pem_folded(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for anything but folded or unfolded PEM."""
    return decode_rewritten_pem(value, _FOLD)


def encode_pem_folded(chain: tuple[bytes, ...]) -> str:
    """The value as nginx writes it, without the last line break."""
    return encode_pem(chain).removesuffix("\n").replace("\n", "\n\t")
