"""``url-pem``: percent-encoded PEM, the leaf first.

Written by nginx (``$ssl_client_escaped_cert``), ingress-nginx and Kong with everything but unreserved characters escaped,
and by AWS ALB with ``+``, ``/`` and ``=`` literal. Sources: nginx ``ngx_http_ssl_module``; AWS "Mutual authentication
with TLS in Application Load Balancer".
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_pem, decode_percent, encode_pem, encode_percent


def decode_url_pem(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for anything else than percent-encoded PEM."""
    return decode_pem(decode_percent(value))


def encode_url_pem(chain: tuple[bytes, ...], *, safe: str = "") -> str:
    """The value as nginx writes it, or as AWS ALB does with ``safe="+/="``."""
    return encode_percent(encode_pem(chain), safe=safe)
