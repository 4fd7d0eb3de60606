"""What a header value looks like, in words for an operator. Never used to decide: names and looks are not proof."""

from __future__ import annotations

import re

from authz_server.der import split_der
from authz_server.forwarded.encodings import decode_base64
from authz_server.reasons import Rejection

# Rows are tried in order; the first whose expression matches the beginning of the value names it.
_APPEARANCES: tuple[tuple[re.Pattern[bytes], str, str | None], ...] = tuple(
    (re.compile(pattern), words, form)
    for pattern, words, form in (
        (rb"\s*\Z|\(null\)\Z|-\Z|NONE\Z|\"\"\Z", "no certificate at all: what a proxy writes when the client had none", None),
        (rb":[A-Za-z0-9+/=]+:[ \t]*,", "a list of RFC 9440 byte sequences, as Client-Cert-Chain is", "rfc9440"),
        (rb":[A-Za-z0-9+/=]+:", "an RFC 9440 byte sequence", "rfc9440"),
        (rb"-----BEGIN%25|%252D", "PEM that was URL-encoded twice", None),
        (rb"-----BEGIN\+", "form-encoded PEM, with `+` for the spaces, which nothing should send", None),
        (rb"-----BEGIN%20CERTIFICATE-|(%2D){5}BEGIN%20CERTIFICATE%2D", "URL-encoded PEM", "url-pem"),
        (rb"-----BEGIN(%20)?\Z", "URL-encoded PEM that was cut off", "url-pem"),
        (rb"-----BEGIN CERTIFICATE-----\r?\n[\t ]", "PEM with folded lines (nginx's $ssl_client_cert)", "pem-folded"),
        (rb"-----BEGIN CERTIFICATE-----[\r\n]", "PEM with raw line breaks, which no header can hold", None),
        (rb"-----BEGIN CERTIFICATE-----[ \t]", "PEM with spaces for its line breaks (Apache, F5, an undone fold)", "pem-spaces"),
        (rb"-----BEGIN CERTIFICATE-----\w", "PEM whose line breaks were removed", None),
        (rb"-----BEGIN( |%20)", "PEM of something else than a certificate", None),
        (rb'"MI[A-Za-z0-9+/=]+"\Z', "base64 DER in quotes (OpenShift router)", "base64-der-quoted"),
        (rb"MI[A-Za-z0-9+/=]+,MI", "a comma-separated list of base64 DER (Traefik)", "base64-der-list"),
        (rb"MI[A-Za-z0-9_-]*[_-]", "base64url DER, which no product should send", None),
        (rb"MI[A-Za-z0-9+/]*%[0-9A-Fa-f]{2}", "URL-encoded base64 DER (Traefik before 2.9.4)", None),
        (rb"MI[A-Za-z0-9+/]+[\r\n]", "base64 DER with line breaks (Java's encoder), which no header can hold", None),
        (rb"MI[A-Za-z0-9+/]+ ", "base64 DER with spaces in it: a `+` or a line break became one on the way", None),
        (rb"MI[A-Za-z0-9+/=]+\Z", "base64 DER (HAProxy, Caddy, Azure App Service, gorouter)", "base64-der"),
        (rb"LS0tLS1CRUdJTi", "base64 of PEM text", "base64-pem"),
        (rb"30[0-9A-Fa-f]{200,}\Z", "DER in hex, which no product should send", None),
        (rb"(?:[0-9A-Fa-f]{2}:?){1,64}\Z", "a fingerprint or serial number of a certificate, not a certificate", None),
        (rb"\s*[\[{]", "JSON, as Envoy 1.38 and later can write X-Forwarded-Client-Cert", "xfcc"),
        (rb"(?i)(By|Hash|Cert|Chain|Subject|Issuer|URI|DNS)=", "X-Forwarded-Client-Cert as Envoy writes it", "xfcc"),
        (rb"(?i)/?[A-Z]+=", "a distinguished name or name=value pairs: fields of a certificate, not a certificate", None),
    )
)


def describe_appearance(value: bytes) -> tuple[str, str | None]:
    """What the value looks like, in words, and the name of the format that decodes such values, if there is one."""
    for pattern, words, form in _APPEARANCES:
        if pattern.match(value):
            return _describe_der(value) or (words, form) if form == "base64-der" else (words, form)
    return "nothing that a proxy is known to send for a client certificate", None


def _describe_der(value: bytes) -> tuple[str, str] | None:
    """How base64 differs from that of one certificate; no look at the text tells one from several."""
    try:
        certificates = split_der(decode_base64(value))
    except Rejection:
        return "base64 DER that was cut off or changed on the way", "base64-der"
    if len(certificates) == 1:
        return None
    return "base64 of several DER certificates one behind the other (HAProxy's chain, WebLogic)", "base64-der-concat"
