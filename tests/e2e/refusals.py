"""For every reason a request from outside that is refused for it, or an argument why there is none: one row each."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from authz_server.demo.pki import key_usage
from authz_server.reasons import Reason
from tests.e2e.certificates import percent_pem, xfcc
from tests.e2e.vouching import by_secret, by_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz_server.demo.pki import Authority
    from tests.e2e.certificates import Pki
    from tests.e2e.wire import Headers

NOW, DAY = datetime.now(UTC), timedelta(days=1)

# Reasons that no request from outside can be refused for, and why. Everything else has a row.
UNREACHABLE = {
    Reason.REQUEST_MALFORMED: "Envoy itself answers 404 to every path that does not begin with `/`, `OPTIONS *` among them, "
    "before a route is chosen (tests/e2e/test_reasons.py asks it)",
    Reason.CONFIGURATION_UNAVAILABLE: "the service answers health checks and listens with a configuration only; the moment "
    "between has no door of its own (tests/test_ext_authz.py decides without a snapshot, test_denials.py sends the answer)",
    Reason.HOP_REPLAY_MEMORY_FULL: "takes a million signed requests within 45 seconds (tests/hop/test_replay.py fills a smaller "
    "memory, test_denials.py sends the answer)",
    Reason.INTERNAL_ERROR: "whatever reaches it from outside is a bug to be mended (tests/server/test_server.py makes one)",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A request that is refused for ``reason``: its headers, through which door to which house (``doors.py``).

    One that ``is_second`` is let in when it is sent for the first time.
    """

    reason: Reason
    headers: Callable[[Pki], Headers]
    house: str = "xfcc"
    door: str = "edge"
    line: str = "GET /orders"
    is_second: bool = False


def by_xfcc(value: Callable[[Pki], str]) -> Callable[[Pki], Headers]:
    """One X-Forwarded-Client-Cert line."""
    return lambda pki: (("x-forwarded-client-cert", value(pki)),)


def by_url_pem(value: Callable[[Pki], str]) -> Callable[[Pki], Headers]:
    """One X-Client-Cert line."""
    return lambda pki: (("x-client-cert", value(pki)),)


def by_client_cert(*values: str | bytes) -> Callable[[Pki], Headers]:
    """Client-Cert lines (RFC 9440)."""
    return lambda _: tuple(("client-cert", value) for value in values)


def alices(pki: Pki) -> str:
    """Alice's certificate, as it should come."""
    return xfcc(pki.alice)


def certificate(**changed) -> Callable[[Pki], Headers]:
    """Alice's certificate with something changed, as the WAF would forward it."""
    return by_xfcc(lambda pki: xfcc(pki.client(**changed)))


def client_of(issuer: Callable[[Pki], Authority]) -> Callable[[Pki], Headers]:
    """Alice's certificate by an intermediate CA; the WAF forwards both."""

    def headers(pki: Pki) -> Headers:
        authority = issuer(pki)
        return (("x-forwarded-client-cert", xfcc(pki.client(issuer=authority), authority)),)

    return headers


def below(name: str, **changed) -> Callable[[Pki], Headers]:
    """Alice's certificate below an intermediate CA with something changed."""
    return client_of(lambda pki: pki.authority(name, **changed))


def by_nginx(*beside: tuple[str, str], again: bool = False) -> Callable[[Pki], Headers]:
    """X-SSL-Client-Cert as nginx escapes it, and headers beside it."""
    return lambda pki: (("x-ssl-client-cert", percent_pem(*[pki.alice] * (1 + again))), *beside)


def by_openshift(*beside: tuple[str, str], quote: str = '"') -> Callable[[Pki], Headers]:
    """X-SSL-Client-DER as the OpenShift router quotes it, and headers beside it."""
    return lambda pki: (("x-ssl-client-der", quote + base64.b64encode(pki.alice.certificate_der).decode() + quote), *beside)


def signed(**changed) -> Callable[[Pki], Headers]:
    """What the house `signature` would let in, signed in another way."""
    return lambda pki: by_signature(good(pki), **changed)


def in_seconds(seconds: int) -> Callable[[Pki], Headers]:
    """The same, signed at another time."""
    return lambda pki: by_signature(good(pki), created=int(time.time()) + seconds)


def nothing(_: Pki) -> Headers:
    """No header."""
    return ()


def good(pki: Pki) -> Headers:
    """What every house but its odd setting would let in."""
    return (("x-forwarded-client-cert", alices(pki)),)


def by_source(reason: Reason, headers: Callable[[Pki], Headers], source: str) -> Row:
    """A row of one of several sources."""
    return Row(reason, headers, house="sources", door="sources", line=f"GET /{source}")


def by_domain(reason: Reason, domain: str, headers: Callable[[Pki], Headers]) -> Row:
    """A row of one of several trust domains."""
    return Row(reason, headers, house="domains", door="domains", line=f"GET /{domain}")


R = Reason
ROWS = (
    # Not without a route for tunnels.
    Row(R.METHOD_UNSUPPORTED, good, door="tunnel", line="CONNECT api.example.org:443"),
    Row(R.SOURCE_UNSPECIFIED, good, house="sources", door="sources"),
    Row(R.SOURCE_UNKNOWN, good, house="sources", door="sources", line="GET /unknown"),
    # --- the hop: the certificate is good each time, and worth nothing
    Row(R.HOP_PRINCIPAL_MISSING, good, door="plaintext"),
    Row(R.HOP_PRINCIPAL_MISMATCH, good, house="another-waf"),
    Row(R.HOP_CONTEXT_MISMATCH, good, door="unmarked"),
    Row(R.HOP_CERTIFICATE_MISSING, good, house="another-pin", door="unreported"),
    Row(R.HOP_CERTIFICATE_MISMATCH, good, house="another-pin"),
    Row(R.HOP_ADDRESS_MISMATCH, good, house="another-network"),
    Row(R.HOP_SECRET_MISSING, good, house="secret"),
    Row(R.HOP_SECRET_MISMATCH, lambda pki: by_secret(good(pki), "s" * 32), house="secret"),
    Row(R.HOP_SIGNATURE_MISSING, good, house="signature"),
    Row(R.HOP_SIGNATURE_MALFORMED, lambda pki: (*good(pki), ("signature-input", "waf=1"), ("signature", "waf=1")), "signature"),
    # The client's own beside the WAF's.
    Row(R.HOP_SIGNATURE_AMBIGUOUS, signed(labels=("client", "waf")), house="signature"),
    Row(R.HOP_SIGNATURE_KEY_UNKNOWN, signed(keyid="another"), house="signature"),
    Row(R.HOP_SIGNATURE_ALGORITHM, signed(alg="hmac-sha256"), house="signature"),
    Row(R.HOP_SIGNATURE_INCOMPLETE, signed(nonce=None), house="signature"),
    Row(R.HOP_SIGNATURE_MISMATCH, signed(line="GET /elsewhere"), house="signature"),
    Row(R.HOP_SIGNATURE_EXPIRED, in_seconds(-60), house="signature"),
    Row(R.HOP_SIGNATURE_FUTURE, in_seconds(60), house="signature"),
    Row(R.HOP_REPLAYED, signed(), house="signature", is_second=True),
    # --- the header
    Row(R.CREDENTIAL_MISSING, nothing),
    # Not with XFCC, whose lines Envoy joins itself.
    Row(R.HEADER_DUPLICATED, by_client_cert(":AAAA:", ":AAAA:"), house="rfc9440"),
    # Envoy answers 400 unless it is told to let underscores pass, and to show the service every header.
    Row(R.HEADER_ALIASED, lambda pki: (*good(pki), ("x_forwarded_client_cert", alices(pki))), door="underscores"),
    Row(R.HEADER_TOO_LARGE, by_client_cert(":" + "A" * 70_000 + ":"), house="rfc9440"),
    Row(R.HEADER_NOT_ASCII, by_client_cert(b":caf\xe9:"), house="rfc9440"),
    Row(R.PERCENT_ENCODING_INVALID, by_url_pem(lambda pki: percent_pem(pki.alice)[:-1]), house="url-pem"),
    Row(R.PERCENT_ENCODING_DOUBLED, by_url_pem(lambda pki: percent_pem(pki.alice).replace("%", "%25")), house="url-pem"),
    Row(R.PEM_MALFORMED, by_url_pem(lambda pki: percent_pem(pki.alice) + "junk"), house="url-pem"),
    Row(R.BASE64_INVALID, by_client_cert(":QUJDR=:"), house="rfc9440"),
    by_source(R.QUOTES_MISSING, by_openshift(("x-ssl-client-verify", "0"), quote=""), "openshift"),
    Row(R.STRUCTURED_FIELD_MALFORMED, by_client_cert("QUJD"), house="rfc9440"),
    Row(R.XFCC_MALFORMED, by_xfcc(lambda pki: alices(pki) + ";")),
    Row(R.XFCC_UNKNOWN_KEY, by_xfcc(lambda pki: alices(pki) + ";Role=admin")),
    # What a URI name can write into the text form.
    Row(R.XFCC_DUPLICATE_KEY, by_xfcc(lambda pki: f'{alices(pki)};URI=spiffe://a;Cert="{percent_pem(pki.alice)}"')),
    Row(R.XFCC_ELEMENT_AMBIGUOUS, by_xfcc(lambda pki: f"{alices(pki)},{alices(pki)}")),
    Row(R.XFCC_ELEMENT_NOT_FOUND, by_xfcc(lambda pki: "By=spiffe://lab/waf;" + alices(pki)), house="by-another-proxy"),
    Row(R.XFCC_CERTIFICATE_MISSING, by_xfcc(lambda _: "Hash=" + "0" * 64)),
    Row(R.XFCC_INCONSISTENT, by_xfcc(lambda pki: xfcc(pki.alice, Hash="0" * 64))),
    Row(R.CHAIN_WITHOUT_CERTIFICATE, lambda _: (("client-cert-chain", ":AAAA:"),), house="rfc9440"),
    Row(R.CHAIN_TOO_LONG, by_url_pem(lambda pki: percent_pem(*[pki.alice] * 11)), house="url-pem"),
    by_source(R.LEAF_AMBIGUOUS, by_nginx(again=True), "nginx"),
    by_source(R.PROXY_VERIFICATION_FAILED, by_nginx(("x-ssl-client-verify", "FAILED:certificate has expired")), "nginx"),
    by_source(R.SIBLING_MISSING, by_openshift(), "openshift"),
    by_source(R.SIBLING_MISMATCH, by_nginx(("x-ssl-client-serial", "01")), "nginx"),
    Row(R.CERTIFICATE_MALFORMED, by_client_cert(":" + base64.b64encode(b"0\x03junk").decode() + ":"), house="rfc9440"),
    # --- the certificate
    Row(R.CERTIFICATE_EXPIRED, certificate(not_before=NOW - 9 * DAY, not_after=NOW - DAY)),
    Row(R.CERTIFICATE_NOT_YET_VALID, certificate(not_before=NOW + DAY, not_after=NOW + 9 * DAY)),
    Row(R.CERTIFICATE_IS_CA, by_xfcc(lambda pki: xfcc(pki.authority("A CA")))),
    Row(R.CERTIFICATE_KEY_USAGE, certificate(usage=key_usage(key_encipherment=True))),
    Row(R.CERTIFICATE_EXTENDED_KEY_USAGE, certificate(eku="server")),
    Row(R.CERTIFICATE_KEY_UNACCEPTABLE, certificate(key="p224")),
    Row(R.CERTIFICATE_EXCESSIVE, certificate(dns=[f"n{number}.example" for number in range(101)])),
    Row(R.INTERMEDIATE_UNACCEPTABLE, below("Weak CA", key="p224")),
    Row(R.ISSUER_UNKNOWN, by_xfcc(lambda pki: xfcc(pki.client(issuer=pki.authority("Unknown CA", parent=None))))),
    Row(R.ISSUER_EXPIRED, below("Old CA", not_before=NOW - 9 * DAY, not_after=NOW - DAY)),
    # Another key under the trusted CA's name.
    Row(R.PATH_INVALID, by_xfcc(lambda pki: xfcc(pki.client(issuer=pki.authority("Clients CA", parent=None))))),
    by_domain(R.POLICY_MISSING, "policy", good),
    by_domain(R.SVID_INVALID, "svid", good),
    by_domain(R.CERTIFICATE_NOT_PINNED, "pins", good),
    by_domain(R.TRUST_DOMAIN_UNKNOWN, "unknown", good),
    # Alice's trust domain is none that is configured, and the route names none.
    by_domain(R.TRUST_DOMAIN_UNDETERMINED, "orders", good),
    # --- what was withdrawn
    Row(R.CERTIFICATE_DENYLISTED, by_xfcc(lambda pki: xfcc(pki.withdrawn)), house="revocation"),
    Row(R.CERTIFICATE_REVOKED, by_xfcc(lambda pki: xfcc(pki.mallory)), house="revocation"),
    Row(R.ISSUER_REVOKED, client_of(lambda pki: pki.revoked_authority), house="revocation"),
    Row(R.REVOCATION_UNAVAILABLE, below("CA without a CRL"), house="revocation"),
    Row(R.REVOCATION_STALE, client_of(lambda pki: pki.late_authority), house="revocation"),
    # --- the identity
    Row(R.IDENTITY_MISSING, certificate(uris=())),
    Row(R.IDENTITY_AMBIGUOUS, certificate(uris=("spiffe://example.org/alice", "spiffe://example.org/bob"))),
    Row(R.IDENTITY_INVALID, certificate(uris=("spiffe://example.org/alice/../admin",))),
    Row(R.IDENTITY_TOO_LONG, certificate(dns=[f"{'n' * 60}.{number}" for number in range(90)])),
    # --- the rules
    Row(R.NOT_ALLOWED, certificate(uris=("spiffe://example.org/mallory",))),
)
