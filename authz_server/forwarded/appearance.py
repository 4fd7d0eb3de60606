"""What a header value looks like, in words for an operator. Never used to decide: names and looks are not proof."""

from __future__ import annotations

import re

# Rows are tried in order; the first whose expression matches the beginning of the value names it.
_APPEARANCES: tuple[tuple[re.Pattern[bytes], str, str | None], ...] = tuple(
    (re.compile(pattern), words, form)
    for pattern, words, form in (
        (rb"\s*\Z|\(null\)\Z|-\Z|NONE\Z", "no certificate at all: what a proxy writes when the client had none", None),
        (rb":[A-Za-z0-9+/=]+:", "an RFC 9440 byte sequence", "rfc9440"),
        (rb"-----BEGIN%2520", "PEM that was URL-encoded twice", None),
        (rb"-----BEGIN(%20|\+)", "URL-encoded PEM", "url-pem"),
        (rb"-----BEGIN CERTIFICATE-----\r?\n[\t ]", "PEM with folded lines (nginx's $ssl_client_cert)", "pem-folded"),
        (rb"-----BEGIN ", "PEM with its line breaks replaced or folded (Apache, nginx's $ssl_client_cert, F5)", "pem-spaces"),
        (rb"%2D%2D%2D%2D%2DBEGIN", "URL-encoded PEM", "url-pem"),
        (rb'"MI[A-Za-z0-9+/=]+"', "base64 DER in quotes (OpenShift router)", "base64-der-quoted"),
        (rb"MI[A-Za-z0-9+/=]+,MI", "a comma-separated list of base64 DER (Traefik)", "base64-der-list"),
        (rb"MI[A-Za-z0-9_-]*[_-]", "base64url DER, which no product should send", None),
        (rb"MI[A-Za-z0-9+/]*%[0-9A-Fa-f]{2}", "URL-encoded base64 DER", None),
        (rb"MI[A-Za-z0-9+/=]+\Z", "base64 DER (HAProxy, Caddy, Azure App Service, gorouter)", "base64-der"),
        (rb"LS0tLS1CRUdJTi", "base64 of PEM text", "base64-pem"),
        (rb"\s*[\[{]", "JSON, as Envoy 1.38 and later can write X-Forwarded-Client-Cert", "xfcc"),
        (rb"(?i)(By|Hash|Cert|Chain|Subject|Issuer|URI|DNS)=", "X-Forwarded-Client-Cert as Envoy writes it", "xfcc"),
        (
            rb"(?i)/?[A-Z]+=",
            "a distinguished name or name=value pairs: fields of a certificate, not a certificate",
            None,
        ),
    )
)


def describe_appearance(value: bytes) -> tuple[str, str | None]:
    """What the value looks like, in words, and the name of the format that decodes such values, if there is one."""
    for pattern, words, form in _APPEARANCES:
        if pattern.match(value):
            return words, form
    return "nothing that a proxy is known to send for a client certificate", None
