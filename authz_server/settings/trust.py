"""Settings of one trust domain: whom certificates must lead to, what they must look like, and what their owners are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz_server.model import NameKind
from authz_server.settings.fields import Texts
from authz_server.validation import OcspMode, OcspPolicy, Profile, RevocationMode, RevocationPolicy

_OID = r"^[0-2](\.(0|[1-9][0-9]*))+$"


def _mode(value: Any) -> Any:
    """YAML 1.1 reads ``off`` as a truth value."""
    return RevocationMode.OFF if value is False else value


class TrustDomainSettings(BaseModel):
    """One set of trust anchors with everything that depends on it. Domains are never merged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trust_bundle_file: Path | None = Field(
        None,
        description="CA certificates (PEM, or a SPIFFE bundle in JSON) that clients' certificates must lead to",
    )
    trust_kind: Literal["ca", "pin"] = Field(
        "ca", description="`ca`, or `pin`: the file holds clients' certificates, self-signed ones as a rule, trusted as they are"
    )
    trust_intermediates_file: Path | None = Field(
        None, description="intermediate CA certificates (PEM) that proxies do not forward"
    )
    spiffe_trust_domain: str = Field(
        "",
        pattern=r"^([a-z0-9._-]{1,255})?$",
        description="the SPIFFE trust domain: of several domains, certificates that claim it belong to this one",
    )
    identity: NameKind = Field(NameKind.SUBJECT, description="which name is the client's name")
    profile: Literal["rfc5280", "spiffe", "compatible"] = Field(
        "rfc5280",
        description="`rfc5280`; `spiffe`: X509-SVIDs of `AUTHZ_SPIFFE_TRUST_DOMAIN`; `compatible`: with every leniency below",
    )
    profile_max_depth: int = Field(4, ge=0, le=8, description="how many intermediates a path may have")
    profile_allow_missing_eku: bool | None = Field(
        None, description="accept client certificates without extended key usage; by profile"
    )
    profile_allow_any_eku: bool | None = Field(None, description="let `anyExtendedKeyUsage` stand for clientAuth; by profile")
    profile_allow_missing_digital_signature: bool | None = Field(
        None, description="accept a key usage without digitalSignature; by profile"
    )
    profile_policies: Texts = Field(
        (), description="certificate policies (OIDs), one of which every certificate below the anchor must assert"
    )
    revocation: Annotated[RevocationMode | None, BeforeValidator(_mode)] = Field(
        None,
        description=(
            "`off`; `soft`: allow what nothing is known about; `hard`: answer 503 then. By default `hard` where CRLs or OCSP "
            "are configured, else `off`"
        ),
    )
    revocation_stale_grace_seconds: float = Field(
        0, ge=0, le=30 * 86400, allow_inf_nan=False, description="how long past nextUpdate revocation data is still believed"
    )

    ocsp: OcspMode = Field(
        OcspMode.OFF,
        description=(
            "whether OCSP responders are asked where nothing fresh is known: `off`; `background`: answer at once, and the next "
            "request finds what was answered; `inline`: wait for it within the deadline of Envoy's call"
        ),
    )
    ocsp_urls: Texts = Field(
        (), description="responders (http or https) in the order to try; without any, those that certificates name"
    )
    ocsp_require_nonce: bool = Field(
        default=False, description="refuse answers without the nonce that was sent; responders behind caches leave it out"
    )

    def profile_of(self) -> Profile:
        """The profile with its leniencies."""
        return Profile(
            max_depth=self.profile_max_depth,
            # X509-SVID §4.4 leaves extended key usage optional.
            allow_missing_eku=self._allows(self.profile_allow_missing_eku, "compatible", "spiffe"),
            allow_any_eku=self._allows(self.profile_allow_any_eku, "compatible"),
            allow_missing_digital_signature=self._allows(self.profile_allow_missing_digital_signature, "compatible"),
            policies=frozenset(self.profile_policies),
            spiffe_trust_domain=self.spiffe_trust_domain if self.profile == "spiffe" else "",
        )

    def _allows(self, switch: bool | None, *profiles: str) -> bool:  # noqa: FBT001 - a setting's three states
        return self.profile in profiles if switch is None else switch

    def revocation_policy(self, *, has_revocation_data: bool) -> RevocationPolicy:
        """The policy; ``has_revocation_data`` says whether any revocation data is configured."""
        default = RevocationMode.HARD if has_revocation_data or self.asks_responders else RevocationMode.OFF
        return RevocationPolicy(self.revocation or default, timedelta(seconds=self.revocation_stale_grace_seconds))

    @property
    def asks_responders(self) -> bool:
        """Whether OCSP responders are asked."""
        return self.ocsp is not OcspMode.OFF

    def ocsp_policy(self) -> OcspPolicy:
        """Whom to ask and what to take."""
        return OcspPolicy(self.ocsp, self.ocsp_urls, self.ocsp_require_nonce)

    def contradictions(self, *, has_revocation_data: bool, has_ocsp_allow: bool) -> Iterator[tuple[bool, str, str]]:
        """(is it so, field, what would be right) for what single fields cannot tell."""
        is_checked = self.revocation not in (None, RevocationMode.OFF)
        yield (
            self.trust_bundle_file is None,
            "trust_bundle_file",
            "name the file of CA certificates that clients' certificates must lead to",
        )
        yield (
            self.profile == "spiffe" and not self.spiffe_trust_domain,
            "spiffe_trust_domain",
            "the profile `spiffe` needs it: X509-SVIDs of which trust domain?",
        )
        yield (
            is_checked and not has_revocation_data and not self.asks_responders,
            "revocation",
            "nothing to check with; set AUTHZ_CRL_FILES, AUTHZ_CRL_URLS, AUTHZ_OCSP_FILES or AUTHZ_OCSP",
        )
        yield (
            self.trust_kind == "pin" and self.trust_intermediates_file is not None,
            "trust_intermediates_file",
            "pins lead to nothing; unset it",
        )
        yield (
            self.trust_kind == "pin" and is_checked,
            "revocation",
            "pins have no issuer who could revoke them; use AUTHZ_DENYLIST_FILE",
        )
        yield from self._ocsp_contradictions(has_ocsp_allow=has_ocsp_allow)
        # The profile is about what lies between a certificate and its anchor, and about what a CA should have written.
        for field_name in sorted(field for field in self.model_fields_set if field.startswith("profile")):
            yield self.trust_kind == "pin", field_name, "pins are taken as they are; unset it"
        wrong = [oid for oid in self.profile_policies if not re.fullmatch(_OID, oid)]
        yield bool(wrong), "profile_policies", f"{wrong}: expected dotted object identifiers"

    def _ocsp_contradictions(self, *, has_ocsp_allow: bool) -> Iterator[tuple[bool, str, str]]:
        asks = self.asks_responders
        yield asks and self.trust_kind == "pin", "ocsp", "pins have no issuer whose responder could be asked"
        yield asks and self.revocation is RevocationMode.OFF, "ocsp", "contradicts `revocation: off`, which looks at no answer"
        yield (
            asks and not self.ocsp_urls and not has_ocsp_allow,
            "ocsp_urls",
            "name the responder, or set AUTHZ_OCSP_ALLOW to the origins that certificates may name",
        )
        yield bool(self.ocsp_urls) and not asks, "ocsp_urls", "does nothing without AUTHZ_OCSP"
        yield self.ocsp_require_nonce and not asks, "ocsp_require_nonce", "does nothing without AUTHZ_OCSP"
