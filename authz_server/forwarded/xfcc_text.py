r"""The text form of X-Forwarded-Client-Cert.

    header  = element *( "," element )          element = pair *( ";" pair )
    pair    = key "=" value                     value   = DQUOTE *( "\\" CHAR / CHAR ) DQUOTE / *raw

``raw`` ends at ``,`` or ``;`` and holds no quote. Keys are case-insensitive (Envoy, x-forwarded-client-cert).
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from authz_server.forwarded.encodings import encode_pem, encode_percent
from authz_server.forwarded.limits import MAX_ELEMENTS
from authz_server.forwarded.url_pem import decode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping

# Every key that Envoy writes. One that it may repeat within an element is marked True.
_KEYS = {
    "by": True,
    "hash": False,
    "cert": False,
    "chain": False,
    "subject": False,
    "issuer": False,
    "uri": True,
    "dns": True,
}

# One pair and what ends it. Either branch of the value consumes to its end in one way only, so matching is linear.
_PAIR = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))([,;]|\Z)', re.DOTALL)

# NOTE: Envoy writes no space behind the comma; proxies that join two lines of one header do (RFC 9110 §5.3).
_OPTIONAL_SPACE = re.compile(r"[ \t]*")


def decode_text_elements(text: str) -> tuple[XfccElement, ...]:
    """Every element of the header, in order; raises ``Rejection`` for anything that Envoy would not write."""
    elements: list[XfccElement] = []
    pairs: dict[str, list[str]] = defaultdict(list)
    position, separator = 0, ","
    while separator:
        pair = _PAIR.match(text, position)
        if pair is None:
            raise Rejection(Reason.XFCC_MALFORMED, position=position)
        key, quoted, raw, separator = pair.groups()
        _add_pair(pairs, key.lower(), _unescape(quoted) if quoted is not None else raw)
        position = pair.end()
        if separator != ";":
            elements.append(_element(pairs))
            if len(elements) > MAX_ELEMENTS:
                raise Rejection(Reason.XFCC_MALFORMED, detail="too many elements")
            pairs = defaultdict(list)
            position = _OPTIONAL_SPACE.match(text, position).end()  # type: ignore[union-attr] # it matches the empty string
    return tuple(elements)


def _add_pair(pairs: dict[str, list[str]], key: str, value: str) -> None:
    if key not in _KEYS:
        raise Rejection(Reason.XFCC_UNKNOWN_KEY, key=key)
    if key in pairs and not _KEYS[key]:
        raise Rejection(Reason.XFCC_DUPLICATE_KEY, key=key)
    pairs[key].append(value)


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if "\\" in quoted else quoted


def _element(pairs: Mapping[str, list[str]]) -> XfccElement:
    single = {key: values[0] for key, values in pairs.items()}
    return XfccElement(
        by=tuple(pairs.get("by", ())),
        hash=single.get("hash"),
        cert=_decode_certificates(single.get("cert"), most=1),
        chain=_decode_certificates(single.get("chain")),
        subject=single.get("subject"),
        issuer=single.get("issuer"),
        uri=tuple(pairs["uri"]) if "uri" in pairs else None,
        dns=tuple(pairs["dns"]) if "dns" in pairs else None,
    )


def _decode_certificates(value: str | None, most: int | None = None) -> tuple[bytes, ...]:
    certificates = decode_url_pem(value.encode("ascii")) if value else ()
    if most is not None and len(certificates) > most:
        raise Rejection(Reason.XFCC_MALFORMED, key="cert", certificates=len(certificates))
    return certificates


def encode_text_elements(elements: tuple[XfccElement, ...]) -> str:
    """The header as Envoy writes it, raw URI and DNS names included."""
    return ",".join(_encode_element(element) for element in elements)


def _encode_element(element: XfccElement) -> str:
    pairs = [f"By={by}" for by in element.by]
    if element.hash is not None:
        pairs.append(f"Hash={element.hash}")
    # Envoy escapes exactly line feed, space, "+", "/" and "=".
    if element.cert:
        pairs.append(f'Cert="{encode_percent(encode_pem(element.cert))}"')
    if element.chain:
        pairs.append(f'Chain="{encode_percent(encode_pem(element.chain))}"')
    if element.subject is not None:
        pairs.append(f'Subject="{_escape(element.subject)}"')
    if element.issuer is not None:
        pairs.append(f'Issuer="{_escape(element.issuer)}"')
    pairs += [f"URI={uri}" for uri in element.uri or ()]
    pairs += [f"DNS={name}" for name in element.dns or ()]
    return ";".join(pairs)


def _escape(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
