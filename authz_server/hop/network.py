"""Proof by address: Envoy's direct TCP peer is in a configured network."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, ClassVar

from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import ForwardedRequest


@dataclass(frozen=True, slots=True)
class NetworkProof:
    """The direct peer's address must lie in one of ``networks``.

    ``source.address`` is the TCP peer and is not moved by ``X-Forwarded-For`` (Envoy AttributeContext.Peer), but a
    PROXY-protocol listener filter replaces it by a claim. It proves the subnet, not the proxy: any host in there can
    write the header.
    """

    kind: ClassVar[str] = "network"
    headers: ClassVar[tuple[str, ...]] = ()
    networks: tuple[IPv4Network | IPv6Network, ...]

    def verify(self, request: ForwardedRequest, _now: datetime) -> None:
        """Raise ``Rejection(HOP_ADDRESS_MISMATCH)`` unless the direct peer is inside."""
        address = _parse_address(request.peer.address)
        if address is None or not any(address in network for network in self.networks):
            raise Rejection(Reason.HOP_ADDRESS_MISMATCH, address=request.peer.address)


def _parse_address(text: str | None) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4-mapped IPv6 one (RFC 4291 §2.5.5.2) as IPv4; ``None`` for a pipe or anything unreadable."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
