"""``PresentedChain`` -> ``CertificationPath``: RFC 5280 path validation under a client-certificate profile.

Revocation is not looked at here yet; the hop was proven before, and who the client is comes behind.
"""

from authz_server.validation.path import TrustBundle, verify_path
from authz_server.validation.profile import Profile

__all__ = ["Profile", "TrustBundle", "verify_path"]
