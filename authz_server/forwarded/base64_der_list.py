"""``base64-der-list``: standard base64 of DER certificates, joined with ``,``, the leaf first.

Written by Traefik from 2.9.4 on (``passTLSClientCert`` with ``pem: true``) from what the client presented; earlier
versions URL-encode each value as well, and are refused. Source: Traefik ``pass_tls_client_cert.go``.
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_base64, encode_base64


def decode_base64_der_list(value: bytes) -> tuple[bytes, ...]:
    """The DER of each member, in order. One bad member refuses the value: dropping it would make another the leaf."""
    return tuple(decode_base64(member) for member in value.split(b","))


def encode_base64_der_list(chain: tuple[bytes, ...]) -> str:
    """The value as Traefik writes it."""
    return ",".join(encode_base64(der) for der in chain)
