"""Signatures of CRLs and OCSP answers, checked by digest: the megabytes that were signed need not be kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# SHA-1 and MD5 signatures can be forged.
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_SCHEMES = ("pkcs1", "pss", "ecdsa")


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """A signature and the digest of what it signs. ``scheme`` is ``pkcs1``, ``pss`` (salt as long as the hash) or ``ecdsa``."""

    scheme: str
    hash: str
    digest: bytes
    value: bytes

    @classmethod
    def over(
        cls, signed: bytes, value: bytes, hash_algorithm: hashes.HashAlgorithm | None, parameters: object
    ) -> DetachedSignature:
        """The signature ``value`` over ``signed``; raises ``ValueError`` for an algorithm that is not acceptable."""
        name = hash_algorithm.name if hash_algorithm is not None else "none"
        if name not in _HASHES:
            msg = f"signed with {name}"
            raise ValueError(msg)
        if isinstance(parameters, ec.ECDSA):
            scheme = "ecdsa"
        elif isinstance(parameters, padding.PKCS1v15):
            scheme = "pkcs1"
        elif isinstance(parameters, padding.PSS):
            scheme = "pss"
        else:
            msg = "signed with an algorithm that is not supported"
            raise ValueError(msg)  # noqa: TRY004 - what is wrong is the document's value, not a caller's type
        return cls(scheme, name, hashlib.new(name, signed).digest(), value)

    def is_by(self, key: CertificatePublicKeyTypes) -> bool:
        """Whether ``key`` made it."""
        algorithm = _HASHES[self.hash]
        prehashed = Prehashed(algorithm)
        try:
            if self.scheme == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(self.value, self.digest, ec.ECDSA(prehashed))
                return True
            if self.scheme == "pkcs1" and isinstance(key, rsa.RSAPublicKey):
                key.verify(self.value, self.digest, padding.PKCS1v15(), prehashed)
                return True
            if self.scheme == "pss" and isinstance(key, rsa.RSAPublicKey):
                pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)
                key.verify(self.value, self.digest, pss, prehashed)
                return True
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return False
