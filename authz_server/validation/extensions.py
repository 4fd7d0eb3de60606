"""Looking up one extension."""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509

_E = TypeVar("_E", bound=x509.ExtensionType)


def find_extension(extensions: x509.Extensions, kind: type[_E]) -> _E | None:
    """The extension's value, ``None`` without it; raises one of ``CERTIFICATE_PARSE_ERRORS`` if it cannot be read."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
