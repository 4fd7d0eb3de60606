"""What must hold for every input of the fuzzer. Without Atheris, so that ``test_seeds.py`` runs it on every Python.

An input is one byte, which picks a way in, and the value; ``NUL NUL`` in it begins the value of a chain header.
"""

from __future__ import annotations

import contextlib
import warnings

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from google.protobuf.message import DecodeError

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Allow, Deny
from authz_server.distinguished_name import parse_distinguished_name
from authz_server.ext_authz import check_response, decide_check, is_grpc
from authz_server.forwarded import Check, ElementSelector, Format, Sibling, Source, decode_chain
from authz_server.forwarded.appearance import describe_appearance
from authz_server.model import PresentedChain
from authz_server.reasons import Rejection
from tests.forwarded.writers import CHAINS, WRITERS, written
from tests.pki import NOW, alice, certificate, client, key, root
from tests.samples import WAF, snapshot, source

# A damaged certificate may have any serial number or key; cryptography warns about some of them.
warnings.simplefilter("ignore")

CHAIN = b"\0\0"
SOURCES: tuple[Source, ...] = (
    *(source(form) for form in Format),
    *(source(form, chain_headers=("x-chain",)) for form in Format if form is not Format.XFCC),
    *(source(Format.XFCC, element=ElementSelector.from_text(text)) for text in ("first", "last", "by=a", "hops=2")),
)
NAME, CHECK = len(SOURCES), len(SOURCES) + 1

SIBLINGS = (
    Sibling("x-verify", Check.VERIFIED, frozenset({"SUCCESS"})),
    *(Sibling(f"x-{check}", check) for check in Check if check is not Check.VERIFIED),
)
SNAPSHOT = snapshot(
    source=source(Format.BASE64_DER_LIST, siblings=SIBLINGS), rules=AllowList((parse_pattern("spiffe:spiffe://example.org/*"),))
)
CHAINS_OF_KINDS = (
    alice().chain_der,
    client(root(), "CN=rsa", key=key("rsa2048")).chain_der,
    (client(root(), "CN=ed25519", key=key("ed25519")).certificate_der, root().certificate_der),
)


def hold(data: bytes) -> None:
    """Fail if anything else than a value or our own refusal comes of ``data``, or a value that is not read back.

    And whatever other decoder reads the value must find the same client in it, or a wrong setting changes who that is.
    """
    which, value = (data[0] if data else 0) % (CHECK + 1), data[1:]
    if which == CHECK:
        _decide(value)
    elif which == NAME:
        _name(value)
    else:
        _decode(SOURCES[which], *value.split(CHAIN, 1))


def _decode(where: Source, value: bytes, *chain: bytes) -> None:
    describe_appearance(value)
    try:
        found = decode_chain(where, value, chain if where.chain_headers else ())
    except Rejection:
        return
    ders = tuple(each.der for each in (found.leaf, *found.intermediates))
    again = decode_chain(source(where.format), written(where.format, ders).encode())
    expected = found if where.format in CHAINS else PresentedChain(found.leaf, ())
    assert again == expected
    for other in (each for each in SOURCES if each.format is not where.format):
        with contextlib.suppress(Rejection):
            assert decode_chain(other, value).leaf == found.leaf, other


def _name(value: bytes) -> None:
    try:
        name = parse_distinguished_name(value.decode())
    except ValueError:
        return
    assert name
    assert all(name)


def _decide(value: bytes) -> None:
    message = external_auth_pb2.CheckRequest()
    try:
        message.ParseFromString(value)
    except DecodeError:
        return
    request, decision = decide_check(message, SNAPSHOT, NOW)
    response = check_response(decision, "fuzzed", is_grpc=is_grpc(request))
    assert isinstance(decision, Allow | Deny)
    assert (response.status.code == 0) == isinstance(decision, Allow)
    if isinstance(decision, Allow):
        assert decision.principal.certificate_sha256 == certificate(alice()).sha256


def check_request(value: str) -> bytes:
    """A request that is allowed if ``value`` is alice's."""
    parsed = alice().certificate
    said = {
        "x-client-cert": value,
        "x-verify": "SUCCESS",
        "x-sha256": certificate(alice()).sha256,
        "x-serial": f"{parsed.serial_number:X}",
        "x-serial-decimal": str(parsed.serial_number),
        "x-subject": parsed.subject.rfc4514_string(),
        "x-issuer": parsed.issuer.rfc4514_string(),
    }
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.CopyFrom(attribute_context_pb2.AttributeContext.HttpRequest(method="GET", host="a", path="/", id="1"))
    lines = [base_pb2.HeaderValue(key=name, raw_value=text.encode()) for name, text in said.items()]
    http.header_map.CopyFrom(base_pb2.HeaderMap(headers=lines))
    message.attributes.source.principal = WAF
    message.attributes.source.address.socket_address.address = "192.0.2.7"
    message.attributes.context_extensions["hop"] = "mtls"
    return bytes(message.SerializeToString())


def seeds() -> list[bytes]:
    """One input for each way in and kind of chain, made by the writers: what mutation starts from."""
    found = [bytes([CHECK]) + check_request(WRITERS[Format.BASE64_DER_LIST](chain)) for chain in CHAINS_OF_KINDS]
    found += [bytes([NAME]) + text for text in (rb"CN=a+O=M\C3\BC\, x,1.2.3.4=#0C0161", "L=\\ ü,C=DE".encode())]
    for which, where in enumerate(SOURCES):
        for chain in CHAINS_OF_KINDS:
            value = bytes([which]) + written(where.format, chain).encode()
            found.append(value + CHAIN + written(where.format, chain[1:] or chain).encode() if where.chain_headers else value)
    return found
