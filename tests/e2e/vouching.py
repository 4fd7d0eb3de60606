"""A WAF that proves in headers that a request is its own: by shared secret, HMAC, or RFC 9421 signature."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

from tests import samples
from tests.hop import signing

if TYPE_CHECKING:
    from pathlib import Path

    from authz_server.model import ForwardedRequest
    from tests.e2e.wire import Headers

SHARED_SECRET = "shared-secret-of-32-bytes-or-more"
_BY = "ed25519"
_DERIVED = ('"@method"', '"@authority"', '"@path"', '"@query"')

# What a WAF signs of the headers: the certificate's, and its own verdict.
XFCC = ("x-forwarded-client-cert",)
NGINX = ("x-ssl-client-cert", "x-ssl-client-verify")


def write_keys(folder: Path) -> None:
    """What the service is configured with, as files."""
    (folder / "hop-secret").write_text(SHARED_SECRET)
    (folder / "hop-hmac.key").write_bytes(signing.SECRET)
    (folder / "hop-signature.pem").write_bytes(signing.public_pem(_BY))


def by_secret(headers: Headers, secret: str = SHARED_SECRET) -> Headers:
    """The headers with the shared secret."""
    return (*headers, ("x-hop-secret", secret))


def by_mac(headers: Headers, line: str = "GET /orders", covered: tuple[str, ...] = XFCC) -> Headers:
    """The headers with an HMAC over those that are ``covered``, for one request."""
    request = _request(headers, line)
    created, nonce = str(int(time.time())), secrets.token_hex(16)
    values = [b"".join(request.header_lines(name)).decode() for name in covered]
    text = "\n".join(["authz-hop-v1", created, nonce, request.method, request.host, request.path, *values])
    mac = hmac.new(signing.SECRET, text.encode(), hashlib.sha256).hexdigest()
    return (*headers, ("x-hop-signature", f"t={created},n={nonce},mac={mac}"))


def by_signature(
    headers: Headers, line: str = "GET /orders", covered: tuple[str, ...] = XFCC, *, labels: tuple[str, ...] = ("waf",), **changed
) -> Headers:
    """The headers with a signature (RFC 9421) for each label; ``changed`` are parameters, without those that are ``None``."""
    request = _request(headers, line)
    components = (*_DERIVED, *(f'"{name}"' for name in covered))
    parameters = {"created": int(time.time()), "keyid": "waf", "nonce": secrets.token_hex(16)} | changed
    written = "".join(f";{name}={_bare(value)}" for name, value in parameters.items() if value is not None)
    described, value = signing.signature(request, components, written, _BY)
    return (
        *headers,
        ("signature-input", ", ".join(f"{label}={described}" for label in labels)),
        ("signature", ", ".join(f"{label}={value}" for label in labels)),
    )


def _bare(value: str | int) -> str:
    """RFC 8941 §3.3: an Integer or a String."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def _request(headers: Headers, line: str) -> ForwardedRequest:
    method, _, path = line.partition(" ")
    return samples.request(*((name, value.encode()) for name, value in headers), method=method, path=path)
