"""The closed list of refusals: one row a reason, and the one exception that carries it.

A reason's code is the metric label, the log field, the ``reason`` of the answer and the heading in ``docs/reasons.md``,
which is made from this table. Codes are stable: one may be added, none is renamed or given another meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

# What a refusal's facts may be: logged, explained, never shown to the caller.
Fact = str | int | float | bool | None | list[str]


_OUR_FAULT = 503


@unique
class Step(StrEnum):
    """The steps of the decision in their order; a reason belongs to the step that gives it."""

    REQUEST = "request"
    HOP = "hop"
    HEADER = "header"
    CERTIFICATE = "certificate"
    IDENTITY = "identity"
    ACCESS = "access"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table. ``status`` is an HTTP status: 401 no acceptable credential, 403 refused, 503 our fault."""

    step: Step
    status: int
    meaning: str
    action: str


@unique
class Reason(StrEnum):
    """Why a request was refused."""

    REQUEST_MALFORMED = "request_malformed"
    METHOD_UNSUPPORTED = "method_unsupported"
    SOURCE_UNSPECIFIED = "source_unspecified"
    SOURCE_UNKNOWN = "source_unknown"

    HOP_PRINCIPAL_MISSING = "hop_principal_missing"
    HOP_PRINCIPAL_MISMATCH = "hop_principal_mismatch"
    HOP_CONTEXT_MISMATCH = "hop_context_mismatch"
    HOP_CERTIFICATE_MISSING = "hop_certificate_missing"
    HOP_CERTIFICATE_MISMATCH = "hop_certificate_mismatch"
    HOP_ADDRESS_MISMATCH = "hop_address_mismatch"
    HOP_SECRET_MISSING = "hop_secret_missing"  # noqa: S105 - a code, no secret
    HOP_SECRET_MISMATCH = "hop_secret_mismatch"  # noqa: S105 - a code, no secret
    HOP_SIGNATURE_MISSING = "hop_signature_missing"
    HOP_SIGNATURE_MALFORMED = "hop_signature_malformed"
    HOP_SIGNATURE_AMBIGUOUS = "hop_signature_ambiguous"
    HOP_SIGNATURE_KEY_UNKNOWN = "hop_signature_key_unknown"
    HOP_SIGNATURE_ALGORITHM = "hop_signature_algorithm"
    HOP_SIGNATURE_INCOMPLETE = "hop_signature_incomplete"
    HOP_SIGNATURE_MISMATCH = "hop_signature_mismatch"
    HOP_SIGNATURE_EXPIRED = "hop_signature_expired"
    HOP_SIGNATURE_FUTURE = "hop_signature_future"
    HOP_REPLAYED = "hop_replayed"
    HOP_REPLAY_MEMORY_FULL = "hop_replay_memory_full"

    CREDENTIAL_MISSING = "credential_missing"
    HEADER_DUPLICATED = "header_duplicated"
    HEADER_ALIASED = "header_aliased"
    HEADER_TOO_LARGE = "header_too_large"
    HEADER_NOT_ASCII = "header_not_ascii"
    PERCENT_ENCODING_INVALID = "percent_encoding_invalid"
    PERCENT_ENCODING_DOUBLED = "percent_encoding_doubled"
    PEM_MALFORMED = "pem_malformed"
    BASE64_INVALID = "base64_invalid"
    QUOTES_MISSING = "quotes_missing"
    STRUCTURED_FIELD_MALFORMED = "structured_field_malformed"
    XFCC_MALFORMED = "xfcc_malformed"
    XFCC_UNKNOWN_KEY = "xfcc_unknown_key"
    XFCC_DUPLICATE_KEY = "xfcc_duplicate_key"
    XFCC_ELEMENT_AMBIGUOUS = "xfcc_element_ambiguous"
    XFCC_ELEMENT_NOT_FOUND = "xfcc_element_not_found"
    XFCC_CERTIFICATE_MISSING = "xfcc_certificate_missing"
    XFCC_INCONSISTENT = "xfcc_inconsistent"
    CHAIN_WITHOUT_CERTIFICATE = "chain_without_certificate"
    CHAIN_TOO_LONG = "chain_too_long"
    LEAF_AMBIGUOUS = "leaf_ambiguous"
    CERTIFICATE_MALFORMED = "certificate_malformed"
    PROXY_VERIFICATION_FAILED = "proxy_verification_failed"
    SIBLING_MISSING = "sibling_missing"
    SIBLING_MISMATCH = "sibling_mismatch"

    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_IS_CA = "certificate_is_ca"
    CERTIFICATE_KEY_USAGE = "certificate_key_usage"
    CERTIFICATE_EXTENDED_KEY_USAGE = "certificate_extended_key_usage"
    CERTIFICATE_KEY_UNACCEPTABLE = "certificate_key_unacceptable"
    CERTIFICATE_EXCESSIVE = "certificate_excessive"
    INTERMEDIATE_UNACCEPTABLE = "intermediate_unacceptable"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_EXPIRED = "issuer_expired"
    PATH_INVALID = "path_invalid"
    POLICY_MISSING = "policy_missing"
    SVID_INVALID = "svid_invalid"
    CERTIFICATE_NOT_PINNED = "certificate_not_pinned"
    TRUST_DOMAIN_UNKNOWN = "trust_domain_unknown"
    TRUST_DOMAIN_UNDETERMINED = "trust_domain_undetermined"
    CERTIFICATE_DENYLISTED = "certificate_denylisted"
    CERTIFICATE_REVOKED = "certificate_revoked"
    ISSUER_REVOKED = "issuer_revoked"
    REVOCATION_UNAVAILABLE = "revocation_unavailable"
    REVOCATION_STALE = "revocation_stale"

    IDENTITY_MISSING = "identity_missing"
    IDENTITY_AMBIGUOUS = "identity_ambiguous"
    IDENTITY_INVALID = "identity_invalid"
    IDENTITY_TOO_LONG = "identity_too_long"

    NOT_ALLOWED = "not_allowed"

    CONFIGURATION_UNAVAILABLE = "configuration_unavailable"
    INTERNAL_ERROR = "internal_error"

    @property
    def step(self) -> Step:
        """The step of the decision that gives this reason."""
        return _TABLE[self].step

    @property
    def status(self) -> int:
        """The HTTP status of the denial."""
        return _TABLE[self].status

    @property
    def meaning(self) -> str:
        """What the reason means, in one short sentence that is safe to show to the caller."""
        return _TABLE[self].meaning

    @property
    def action(self) -> str:
        """What an operator should do about it."""
        return _TABLE[self].action

    @property
    def is_our_fault(self) -> bool:
        """True when nothing is known about the client because the service itself could not decide."""
        return self.status == _OUR_FAULT


class Rejection(Exception):  # noqa: N818 - a refusal is a result of the domain, not an error of the program
    """The one domain exception: a reason and structured facts (names, times, sizes), never prose."""

    def __init__(self, reason: Reason, **facts: Fact) -> None:
        """Refuse for ``reason``; ``facts`` go to the decision line and to ``explain``, never to the caller."""
        super().__init__(reason.value)
        self.reason = reason
        self.facts = facts


_INSPECT = "Capture the header at Envoy and run `authz-server inspect` on it."
_TABLE: dict[Reason, _Row] = {
    Reason.REQUEST_MALFORMED: _Row(
        Step.REQUEST,
        403,
        "The authorization request lacks an attribute or holds one that cannot be used.",
        "Look at `detail`. A path must start with `/`; requests without one (CONNECT, `OPTIONS *`) are not authorized. "
        "If every request is refused, something other than Envoy's ext_authz filter calls the service.",
    ),
    Reason.METHOD_UNSUPPORTED: _Row(
        Step.REQUEST,
        403,
        "Tunnels (CONNECT) cannot be authorized by a forwarded certificate.",
        "Do not enable CONNECT upgrades on the listener that asks this service.",
    ),
    Reason.SOURCE_UNSPECIFIED: _Row(
        Step.REQUEST,
        403,
        "The request does not say which of several sources it came from.",
        "Set the context extension that `AUTHZ_SOURCE_CONTEXT` names (default `source`) on every listener, virtual host or route "
        "that asks the service; see `AUTHZ_SOURCES`.",
    ),
    Reason.SOURCE_UNKNOWN: _Row(
        Step.REQUEST,
        403,
        "The request names a source that is not configured.",
        "Compare `source` in the decision line with the names in `AUTHZ_SOURCES`.",
    ),
    Reason.HOP_PRINCIPAL_MISSING: _Row(
        Step.HOP,
        403,
        "The connection to Envoy carried no TLS client identity.",
        "Let the WAF connect with its client certificate and set `require_client_certificate: true` together with a "
        "`validation_context` on Envoy's listener: without the latter Envoy does not ask for a certificate at all.",
    ),
    Reason.HOP_PRINCIPAL_MISMATCH: _Row(
        Step.HOP,
        403,
        "The TLS identity of the connection to Envoy is not that of the trusted proxy.",
        "Compare `presented` in the decision line with `AUTHZ_HOP_PRINCIPALS`. Envoy reports the first URI SAN, else the "
        "first DNS SAN, else the subject.",
    ),
    Reason.HOP_CONTEXT_MISMATCH: _Row(
        Step.HOP,
        403,
        "The request came over a listener that is not marked as verifying the trusted proxy.",
        "Set the context extension named by `AUTHZ_HOP_CONTEXT` on the virtual host or route of the listener that "
        "verifies the WAF's certificate, and on no other.",
    ),
    Reason.HOP_CERTIFICATE_MISSING: _Row(
        Step.HOP,
        403,
        "Envoy did not report the certificate of the connection, which is pinned.",
        "Set `include_peer_certificate: true` in the ext_authz filter.",
    ),
    Reason.HOP_CERTIFICATE_MISMATCH: _Row(
        Step.HOP,
        403,
        "The certificate of the connection to Envoy is not a pinned one.",
        "If the WAF's certificate was renewed, add the new fingerprint from the decision line to the pins.",
    ),
    Reason.HOP_ADDRESS_MISMATCH: _Row(
        Step.HOP,
        403,
        "The connection to Envoy came from an address outside the trusted networks.",
        "Compare `address` in the decision line with `AUTHZ_HOP_NETWORKS`. It is the direct TCP peer of Envoy; a load "
        "balancer in between is what you see here.",
    ),
    Reason.HOP_SECRET_MISSING: _Row(
        Step.HOP,
        403,
        "The request carries no shared secret of the trusted proxy.",
        "Let the WAF set the header that `AUTHZ_HOP_SECRET_HEADER` names, and let Envoy send it (`allowed_headers`).",
    ),
    Reason.HOP_SECRET_MISMATCH: _Row(
        Step.HOP,
        403,
        "The shared secret is not that of the trusted proxy.",
        "Compare the WAF's secret with the files of `AUTHZ_HOP_SECRET_FILES`. While you rotate, list both.",
    ),
    Reason.HOP_SIGNATURE_MISSING: _Row(
        Step.HOP,
        403,
        "The request carries no signature of the trusted proxy.",
        "Let the WAF sign the request, and Envoy send the signature's headers (`allowed_headers`). With a configured tag, "
        "compare it with `AUTHZ_HOP_SIGNATURE_TAG`.",
    ),
    Reason.HOP_SIGNATURE_MALFORMED: _Row(
        Step.HOP,
        403,
        "The signature's header does not have the form that is asked for.",
        "Compare it with the guide on proving the hop; `detail` says where it fails.",
    ),
    Reason.HOP_SIGNATURE_AMBIGUOUS: _Row(
        Step.HOP,
        403,
        "The request carries several signatures and none is singled out.",
        "Let the WAF strip clients' own signatures, or give its own a tag and name it in `AUTHZ_HOP_SIGNATURE_TAG`.",
    ),
    Reason.HOP_SIGNATURE_KEY_UNKNOWN: _Row(
        Step.HOP,
        403,
        "The signature is by a key that is not configured.",
        "Compare `key_id` in the decision line with `AUTHZ_HOP_SIGNATURE_KEYS` and `AUTHZ_HOP_SIGNATURE_SECRETS`.",
    ),
    Reason.HOP_SIGNATURE_ALGORITHM: _Row(
        Step.HOP,
        403,
        "The signature names another algorithm than its key is for.",
        "Let the WAF use the algorithm of its key. Seen without a change on your side, it is an attack.",
    ),
    Reason.HOP_SIGNATURE_INCOMPLETE: _Row(
        Step.HOP,
        403,
        "The signature does not cover all that it must, or lacks a parameter.",
        "Add what `missing` names to the components or parameters that the WAF signs.",
    ),
    Reason.HOP_SIGNATURE_MISMATCH: _Row(
        Step.HOP,
        403,
        "The signature does not fit the request.",
        "The key differs, or something between the WAF and Envoy changed a covered part: host, path (normalisation), method or "
        "certificate header.",
    ),
    Reason.HOP_SIGNATURE_EXPIRED: _Row(
        Step.HOP,
        403,
        "The signature is too old.",
        "Compare the clocks of the WAF and of this machine; `AUTHZ_HOP_MAX_AGE_SECONDS` is how old one may be.",
    ),
    Reason.HOP_SIGNATURE_FUTURE: _Row(
        Step.HOP,
        403,
        "The signature was made in the future.",
        "Compare the clocks of the WAF and of this machine; `AUTHZ_HOP_CLOCK_SKEW_SECONDS` is how much they may differ.",
    ),
    Reason.HOP_REPLAYED: _Row(
        Step.HOP,
        403,
        "The signature was used before.",
        "Each request needs a nonce of its own. If the WAF makes one, somebody sent a copy of a signed request.",
    ),
    Reason.HOP_REPLAY_MEMORY_FULL: _Row(
        Step.HOP,
        503,
        "The authorization service cannot remember more signed requests at present.",
        "More requests arrive within `AUTHZ_HOP_MAX_AGE_SECONDS` than can be remembered: shorten it or add workers.",
    ),
    Reason.CREDENTIAL_MISSING: _Row(
        Step.HEADER,
        401,
        "The request carries no client certificate.",
        "Check that the WAF asks for a certificate and forwards it in the header `AUTHZ_SOURCE_HEADER` names, that Envoy keeps "
        "that header (`forward_client_cert_details` for XFCC) and that the filter's `allowed_headers` include it.",
    ),
    Reason.HEADER_DUPLICATED: _Row(
        Step.HEADER,
        401,
        "A header that must be sent once, of the certificate or of a proof, was sent more than once.",
        "Make the WAF replace the header (set, not add): a second line usually means that a client sent its own.",
    ),
    Reason.HEADER_ALIASED: _Row(
        Step.HEADER,
        401,
        "A header was sent whose name differs from that of a certificate or identity header only by `_` for `-`.",
        "Make the WAF strip such names, and set `headers_with_underscores_action: REJECT_REQUEST` in Envoy.",
    ),
    Reason.HEADER_TOO_LARGE: _Row(
        Step.HEADER,
        401,
        "The certificate header is larger than any acceptable chain.",
        "Let the WAF forward the leaf and the intermediates only.",
    ),
    Reason.HEADER_NOT_ASCII: _Row(
        Step.HEADER,
        401,
        "The certificate header holds bytes outside visible ASCII.",
        _INSPECT,
    ),
    Reason.PERCENT_ENCODING_INVALID: _Row(
        Step.HEADER,
        401,
        "The certificate header is not exactly percent-encoded.",
        f"Often a truncated value or another format than the configured one. {_INSPECT}",
    ),
    Reason.PERCENT_ENCODING_DOUBLED: _Row(
        Step.HEADER,
        401,
        "The certificate header was percent-encoded more than once.",
        "Find the second proxy that encodes it; only one may.",
    ),
    Reason.PEM_MALFORMED: _Row(
        Step.HEADER,
        401,
        "The certificate header does not hold exactly PEM certificates.",
        _INSPECT,
    ),
    Reason.BASE64_INVALID: _Row(
        Step.HEADER,
        401,
        "The certificate header holds base64 that is not canonical.",
        f"Often a truncated value, or base64url. {_INSPECT}",
    ),
    Reason.QUOTES_MISSING: _Row(
        Step.HEADER,
        401,
        "The certificate header is not enclosed in double quotes.",
        f"The configured format has them. {_INSPECT}",
    ),
    Reason.STRUCTURED_FIELD_MALFORMED: _Row(
        Step.HEADER,
        401,
        "The certificate header is not the byte sequence that RFC 9440 asks for.",
        f"RFC 9440 wants `:base64:`. Products send other encodings under the same name. {_INSPECT}",
    ),
    Reason.XFCC_MALFORMED: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert header does not follow Envoy's grammar.",
        _INSPECT,
    ),
    Reason.XFCC_UNKNOWN_KEY: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert header holds a key that Envoy does not write.",
        f"Possibly an attempt to smuggle a key through a certificate's names. {_INSPECT}",
    ),
    Reason.XFCC_DUPLICATE_KEY: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert header repeats a key within one element.",
        f"Possibly an attempt to smuggle a key through a certificate's names. {_INSPECT}",
    ),
    Reason.XFCC_ELEMENT_AMBIGUOUS: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert header holds several elements and none is singled out.",
        "Let the first trusted proxy replace the header (SANITIZE_SET), or choose an element with `AUTHZ_SOURCE_ELEMENT`.",
    ),
    Reason.XFCC_ELEMENT_NOT_FOUND: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert header holds no element by the configured proxy.",
        "Compare `AUTHZ_SOURCE_ELEMENT` with the `By` keys that arrive.",
    ),
    Reason.XFCC_CERTIFICATE_MISSING: _Row(
        Step.HEADER,
        401,
        "The X-Forwarded-Client-Cert element holds neither `Cert` nor `Chain`.",
        "Set `set_current_client_cert_details: {cert: true}` (or `chain: true`) at the proxy that writes it.",
    ),
    Reason.XFCC_INCONSISTENT: _Row(
        Step.HEADER,
        401,
        "The parts of the X-Forwarded-Client-Cert header contradict each other.",
        "An attempt to smuggle a certificate in, or a certificate whose names need quoting: use Envoy's JSON format.",
    ),
    Reason.CHAIN_WITHOUT_CERTIFICATE: _Row(
        Step.HEADER,
        401,
        "The chain header was sent without the certificate header.",
        "RFC 9440 §2.3 forbids it; a client may have sent the chain header itself. Make the WAF strip both.",
    ),
    Reason.CHAIN_TOO_LONG: _Row(
        Step.HEADER,
        401,
        "The header holds more certificates, or larger ones, than any acceptable chain.",
        "Let the WAF forward the leaf and its intermediates only.",
    ),
    Reason.LEAF_AMBIGUOUS: _Row(
        Step.HEADER,
        401,
        "The certificate header holds more than one certificate that could be the client's.",
        "Let the WAF forward the leaf alone, or use the format for chains. In a list it may be a client's own header line joined "
        "with the proxy's: make the WAF replace the header.",
    ),
    Reason.CERTIFICATE_MALFORMED: _Row(
        Step.HEADER,
        401,
        "A certificate in the header cannot be parsed.",
        f"The DER is damaged, truncated, or breaks X.509. {_INSPECT}",
    ),
    Reason.PROXY_VERIFICATION_FAILED: _Row(
        Step.HEADER,
        401,
        "The proxy says that it did not accept the client's certificate.",
        "Look at `presented`: it is the proxy's verify result. The client's certificate is not one that the proxy trusts, or the "
        "proxy lacks the CA.",
    ),
    Reason.SIBLING_MISSING: _Row(
        Step.HEADER,
        401,
        "A header that the proxy always sends beside the certificate is missing.",
        "The request did not come through the product that `AUTHZ_SOURCE_PRESET` names, or Envoy does not send the header "
        "(`allowed_headers`).",
    ),
    Reason.SIBLING_MISMATCH: _Row(
        Step.HEADER,
        401,
        "A header beside the certificate contradicts it.",
        "One of the two is not the proxy's: a client sent its own. If the product writes it in another form, set "
        "`AUTHZ_SOURCE_SIBLINGS`.",
    ),
    Reason.CERTIFICATE_EXPIRED: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate has expired.",
        "The client must renew it. If it looks valid, check this machine's clock.",
    ),
    Reason.CERTIFICATE_NOT_YET_VALID: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate is not valid yet.",
        "Check the clocks of the CA and of this machine.",
    ),
    Reason.CERTIFICATE_IS_CA: _Row(
        Step.CERTIFICATE,
        401,
        "A CA certificate was presented as a client certificate.",
        "The client must use an end-entity certificate.",
    ),
    Reason.CERTIFICATE_KEY_USAGE: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate's key usage does not permit client authentication.",
        "Issue it with `digitalSignature` and without `keyCertSign` and `cRLSign`.",
    ),
    Reason.CERTIFICATE_EXTENDED_KEY_USAGE: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate is not issued for client authentication.",
        "Issue it with the extended key usage `clientAuth`. If your CA leaves the extension out, "
        "`AUTHZ_PROFILE_ALLOW_MISSING_EKU=true` accepts that.",
    ),
    Reason.CERTIFICATE_KEY_UNACCEPTABLE: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate's public key is of an unacceptable kind or size.",
        "Accepted are RSA 2048 to 8192 bits (exponent 65537 to 2^32), P-256, P-384, P-521 and Ed25519.",
    ),
    Reason.CERTIFICATE_EXCESSIVE: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate holds more names than any acceptable one.",
        "At most 100 subject alternative names and 30 relative distinguished names are accepted.",
    ),
    Reason.INTERMEDIATE_UNACCEPTABLE: _Row(
        Step.CERTIFICATE,
        401,
        "An intermediate certificate in the header has an unacceptable key, or there are too many.",
        "Accepted are at most 6 intermediates with RSA 2048 to 8192 bits, P-256, P-384 or P-521.",
    ),
    Reason.ISSUER_UNKNOWN: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate does not lead to a trusted CA.",
        "Compare `issuer` in the decision line with `authz-server check`. Add the CA to the trust bundle, or let the WAF "
        "forward the missing intermediate.",
    ),
    Reason.ISSUER_EXPIRED: _Row(
        Step.CERTIFICATE,
        401,
        "A CA certificate between the client and the trusted CA has expired.",
        "Renew the CA certificate that `expired` names, in the trust bundle or where the WAF takes its chain from.",
    ),
    Reason.PATH_INVALID: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate's path to the trusted CA does not verify.",
        "Look at `detail`: a signature, basic constraints, path length, key usage, name constraints or an algorithm.",
    ),
    Reason.POLICY_MISSING: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate was not issued under a required certificate policy.",
        "Compare `presented` with `AUTHZ_PROFILE_POLICIES`; every CA between must assert the policy as well. Where `required` is "
        "empty, a CA of the path asks for a policy itself (requireExplicitPolicy).",
    ),
    Reason.SVID_INVALID: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate is not an X509-SVID of the trust domain.",
        "Look at `presented` and `detail`: one URI name, a SPIFFE ID of the trust domain, and a critical key usage.",
    ),
    Reason.CERTIFICATE_NOT_PINNED: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate is not one of the pinned ones.",
        "Add it to the file of pinned certificates, if it should be. A renewed certificate is another one.",
    ),
    Reason.TRUST_DOMAIN_UNKNOWN: _Row(
        Step.CERTIFICATE,
        403,
        "The request names a trust domain that is not configured for its source.",
        "Compare `trust_domain` with `AUTHZ_TRUST_DOMAINS` and the source's `trust_domains`.",
    ),
    Reason.TRUST_DOMAIN_UNDETERMINED: _Row(
        Step.CERTIFICATE,
        401,
        "Which trust domain the client certificate belongs to cannot be told.",
        "Name it by the context extension `AUTHZ_TRUST_DOMAIN_CONTEXT`, or let clients use SPIFFE IDs of configured domains.",
    ),
    Reason.CERTIFICATE_DENYLISTED: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate, or a CA above it, has been withdrawn by the operator.",
        "`entry` says by which kind of entry in `AUTHZ_DENYLIST_FILE`.",
    ),
    Reason.CERTIFICATE_REVOKED: _Row(
        Step.CERTIFICATE,
        401,
        "The client certificate has been revoked.",
        "The client needs a new certificate. `serial` is what the CA's list names.",
    ),
    Reason.ISSUER_REVOKED: _Row(
        Step.CERTIFICATE,
        401,
        "A CA certificate between the client and the trusted CA has been revoked.",
        "Every client below it needs a certificate by another CA. `sha256` names the revoked CA certificate.",
    ),
    Reason.REVOCATION_UNAVAILABLE: _Row(
        Step.CERTIFICATE,
        503,
        "Whether the client certificate has been revoked is not known at present.",
        (
            "No CRL or OCSP answer of the CA that `issuer` names is at hand: configure one; the log says why one was refused. "
            "With `AUTHZ_OCSP=background` every client's first request is answered so."
        ),
    ),
    Reason.REVOCATION_STALE: _Row(
        Step.CERTIFICATE,
        503,
        "What is known about revocation is too old.",
        "The CRL or OCSP answer of the CA that `issuer` names is past its nextUpdate: see in the log why it was not renewed.",
    ),
    Reason.IDENTITY_MISSING: _Row(
        Step.IDENTITY,
        401,
        "The client certificate does not hold the kind of name that is required.",
        "Compare `kind` with the certificate's names; change `AUTHZ_IDENTITY` or the certificate.",
    ),
    Reason.IDENTITY_AMBIGUOUS: _Row(
        Step.IDENTITY,
        401,
        "The client certificate holds several names of the kind that must be unique.",
        "Issue certificates with one such name, or choose another kind with `AUTHZ_IDENTITY`.",
    ),
    Reason.IDENTITY_INVALID: _Row(
        Step.IDENTITY,
        401,
        "A name in the client certificate holds characters or a form that is not acceptable.",
        "Control and bidirectional characters, empty names and malformed SPIFFE IDs are refused; see `kind`.",
    ),
    Reason.IDENTITY_TOO_LONG: _Row(
        Step.IDENTITY,
        401,
        "The client certificate's names are too long to be passed on in headers.",
        "An identity header holds at most 4 KiB, all of them 16 KiB. Use shorter names.",
    ),
    Reason.NOT_ALLOWED: _Row(
        Step.ACCESS,
        403,
        "The client is known but not allowed.",
        "Add one of the client's names from the decision line to `AUTHZ_ALLOW`, if it should be.",
    ),
    Reason.CONFIGURATION_UNAVAILABLE: _Row(
        Step.SERVER,
        503,
        "The authorization service has no configuration loaded.",
        "Look at its log and run `authz-server check` with the same environment.",
    ),
    Reason.INTERNAL_ERROR: _Row(
        Step.SERVER,
        503,
        "The authorization service failed to decide.",
        "Look for the decision id in the log; the stack trace is there. Please report it.",
    ),
}
