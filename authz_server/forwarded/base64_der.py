"""``base64-der`` and ``base64-der-quoted``: the leaf's DER in standard base64 on one line, without markers.

Written bare by HAProxy (``%[ssl_c_der,base64]``), Caddy (``{tls_client_certificate_der_base64}``), Azure App Service,
Cloud Foundry's gorouter, Cloudflare (``Cf-Client-Cert-Der-Base64``), and in double quotes by the OpenShift router
(``%{+Q}``). Sources: HAProxy configuration manual; OpenShift router ``haproxy-config.template``.
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_base64, encode_base64
from authz_server.reasons import Reason, Rejection

_SHORTEST_QUOTED = len('""')


def decode_base64_der(value: bytes) -> tuple[bytes, ...]:
    """The one DER certificate of the value; raises ``Rejection`` for anything but canonical base64."""
    return (decode_base64(value),)


def encode_base64_der(der: bytes) -> str:
    """The value as HAProxy writes it."""
    return encode_base64(der)


def decode_base64_der_quoted(value: bytes) -> tuple[bytes, ...]:
    """The same in double quotes, which must be there."""
    return (decode_base64(within_quotes(value)),)


def within_quotes(value: bytes) -> bytes:
    """What stands between the two double quotes around the value."""
    if len(value) < _SHORTEST_QUOTED or not (value.startswith(b'"') and value.endswith(b'"')):
        raise Rejection(Reason.QUOTES_MISSING)
    return value[1:-1]


def encode_base64_der_quoted(der: bytes) -> str:
    """The value as the OpenShift router writes it."""
    return f'"{encode_base64(der)}"'
