"""Where a fetch may go: which origins, and to which addresses. Nothing is sent to any other.

A service that fetches what it is pointed at can be pointed at its own network (server-side request forgery). So the origin
must be listed, and the address that its name leads to must be public or in a listed network.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authz_server.refresh.refusals import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986 without what no CRL's URL has: user names, escapes in the host, anything but visible ASCII.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?][!-~]*)?"
)
_MAX_URL = 2048
# RFC 6052 §2.1: behind this prefix a translator reaches any IPv4 address, the private ones too.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 4291 §2.4, IANA: the only part of IPv6 that was ever given out as global unicast.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Origin:
    """RFC 6454: scheme, host (lower case, IPv6 without brackets) and port, compared exactly."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """From ``https://crl.example.org`` or ``http://10.0.0.7:8080``; raises ``ValueError``."""
        try:
            destination = Destination.parse(text)
        except RefusedError as error:
            msg = f"{text!r}: expected scheme://host or scheme://host:port"
            raise ValueError(msg) from error
        if destination.target != "/":
            msg = f"{text!r}: an origin has no path"
            raise ValueError(msg)
        return destination.origin

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}:{self.port}"

    @property
    def authority(self) -> str:
        """The host as a URL has it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_header(self) -> str:
        """RFC 9110 §7.2: without the port where it is the scheme's own."""
        return self.authority if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.authority}:{self.port}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL, taken apart: its origin and the target of the request."""

    origin: Origin
    target: str

    @classmethod
    def parse(cls, url: str) -> Destination:
        """Take ``url`` apart; raises ``RefusedError``."""
        found = _URL.fullmatch(url.partition("#")[0])
        if found is None or len(url) > _MAX_URL:
            raise RefusedError(Refusal.URL_MALFORMED, url[:200])
        scheme, host = found["scheme"], found["host"].lower().strip("[]")
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        try:
            urlsplit(url)
            if ":" in host:
                host = str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise RefusedError(Refusal.URL_MALFORMED, url[:200]) from error
        if not 0 < port < 1 << 16:
            raise RefusedError(Refusal.URL_MALFORMED, url[:200])
        path = found["path"] or "/"
        return cls(Origin(scheme, host, port), path if path.startswith("/") else f"/{path}")


def refuse_unlisted(origin: Origin, allow: Iterable[Origin]) -> None:
    """Raise ``RefusedError`` unless the operator listed exactly this origin."""
    if origin not in set(allow):
        raise RefusedError(Refusal.ORIGIN_NOT_ALLOWED, str(origin))


def permitted(addresses: Iterable[str], networks: Iterable[Network]) -> list[Address]:
    """Those of a name's addresses that may be connected to, in their order; raises ``RefusedError`` if none may."""
    listed = tuple(networks)
    found = [ipaddress.ip_address(text) for text in dict.fromkeys(addresses)]
    allowed = [address for address in found if _is_public(address) or any(address in network for network in listed)]
    if not allowed:
        raise RefusedError(Refusal.ADDRESS_REFUSED, ", ".join(map(str, found)) or "no address")
    return allowed


def _is_public(address: Address) -> bool:
    """Whether nothing says that it is one's own network: loopback, link-local, private, shared, multicast, reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address.sixtofour or address.teredo:
            # It leads to an IPv4 address by a way that this service has no use for.
            return False
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(address.packed[-4:]))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
