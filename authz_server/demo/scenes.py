"""The requests that a newcomer wants to see, and what must come out of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    """One request: which certificate the client shows to which door, what it adds, and the expected answer.

    ``door`` is ``waf`` (the public one), ``edge`` (straight to Envoy) or ``backdoor`` (an Envoy listener that somebody added
    without verifying the proxy). ``status`` 0 means that TLS refuses the connection. ``reason`` is empty for an allow.
    """

    title: str
    door: str
    client: str | None
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


FORGED = "{alice-xfcc}"

SCENES = (
    Scene("good client", "waf", "alice", 200, ""),
    Scene("good client, certificate by an intermediate CA", "waf", "bob", 200, ""),
    Scene("no certificate", "waf", None, 401, "credential_missing"),
    Scene("expired certificate", "waf", "expired", 401, "certificate_expired"),
    Scene("certificate of the future", "waf", "future", 401, "certificate_not_yet_valid"),
    Scene("certificate by a CA nobody trusts", "waf", "stranger", 401, "issuer_unknown"),
    Scene("a server's certificate", "waf", "server", 401, "certificate_extended_key_usage"),
    Scene("known, but not on the allow list", "waf", "mallory", 403, "not_allowed"),
    Scene(
        "mallory forges alice's certificate header", "waf", "mallory", 403, "not_allowed", (("x-forwarded-client-cert", FORGED),)
    ),
    Scene(
        "no certificate, alice's header forged", "waf", None, 401, "credential_missing", (("x-forwarded-client-cert", FORGED),)
    ),
    Scene("alice forges an identity header", "waf", "alice", 200, "", (("x-auth-client-name", "admin"),)),
    Scene("forged header straight to Envoy", "edge", None, 0, "TLS refused", (("x-forwarded-client-cert", FORGED),)),
    Scene("the same with mallory's certificate", "edge", "mallory", 0, "TLS refused", (("x-forwarded-client-cert", FORGED),)),
    Scene(
        "forged header by an unverified listener",
        "backdoor",
        None,
        403,
        "hop_context_mismatch",
        (("x-forwarded-client-cert", FORGED),),
    ),
)
