"""``PresentedChain`` -> ``CertificationPath``: RFC 5280 path validation under a client-certificate profile.

The hop was proven before, and who the client is comes behind.
"""

from authz_server.validation.denylist import Denylist, check_denylist
from authz_server.validation.path import verify_path
from authz_server.validation.profile import Profile
from authz_server.validation.revocation import (
    OcspMode,
    OcspPolicy,
    RevocationData,
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    check_revocation,
)
from authz_server.validation.spiffe import presented_trust_domain
from authz_server.validation.trust import PinnedCertificates, Trust, TrustBundle

__all__ = [
    "Denylist",
    "OcspMode",
    "OcspPolicy",
    "PinnedCertificates",
    "Profile",
    "RevocationData",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "Trust",
    "TrustBundle",
    "check_denylist",
    "check_revocation",
    "presented_trust_domain",
    "verify_path",
]
