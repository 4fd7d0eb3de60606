"""What a forger tries: tables of requests that carry the victim's certificate, or try to, in every way we know.

The victim's certificate is public, so the forger has it; he has no key for it. He may have a certificate of his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop import products
from tests.interop.wire2 import fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.products import Product
    from tests.interop.wire2 import Fields

Lines = tuple[bytes, ...]


@dataclass(frozen=True)
class Forger:
    """Writes what ``product`` would write for the victim. ``victim`` and ``own`` are chains, DER, leaf first."""

    product: Product
    victim: products.Chain
    own: products.Chain

    def line(self, name: str | None = None, value: str | None = None) -> bytes:
        """The header line of the product, or one that differs from it in name or value."""
        return f"{name or self.product.header}: {value or self.product.encode(self.victim)}".encode()

    def all_lines(self) -> Lines:
        """The certificate header and the chain headers."""
        return tuple(f"{name}: {value}".encode() for name, value in self.product.forged((*self.victim, *self.own)))

    def renamed(self, change: Callable[[str], str]) -> Lines:
        """The certificate header under another spelling of its name."""
        return (self.line(change(self.product.header)),)


@dataclass(frozen=True)
class Attack:
    """One way to forge; ``lines`` go into the request as they are."""

    title: str
    lines: Callable[[Forger], Lines]
    method: str = "GET"
    body: Callable[[Forger], bytes] = lambda _forger: b""


def _everywhere(forger: Forger) -> Lines:
    """The victim's certificate under every name and in every encoding that some product uses."""
    encodings = (
        ("x-forwarded-client-cert", products.xfcc),
        ("x-client-cert", products.url_pem),
        ("ssl-client-cert", products.url_pem),
        ("x-ssl-client-cert", products.base64_der),
        ("x-forwarded-tls-client-cert", products.base64_list),
        ("x-ssl-client-der", products.base64_der),
        ("x-arr-clientcert", products.base64_der),
        ("x-amzn-mtls-clientcert-leaf", products.url_pem),
        ("client-cert", lambda chain: f":{products.base64_der(chain)}:"),
    )
    return tuple(f"{name}: {encode(forger.victim)}".encode() for name, encode in encodings)


def _siblings(forger: Forger) -> Lines:
    """What products say about a certificate that they verified, here about the victim's."""
    headers = {sibling.header for sibling in forger.product.preset.siblings} | {"ssl-client-verify", "x-ssl-client-used"}
    words = {"verify": "0" if forger.product.name.startswith("haproxy") else "SUCCESS", "used": "1"}
    return tuple(f"{name}: {words.get(name.rpartition('-')[2], 'CN=victim,O=Acme')}".encode() for name in sorted(headers))


def _names(forger: Forger) -> tuple[str, ...]:
    return tuple(sibling.header for sibling in forger.product.preset.siblings) or ("x-client-verify",)


def _proofs() -> Lines:
    """Proofs of the hop as somebody would make them up."""
    return (
        b"X-Hop-Secret: interop-secret-that-nobody-ever-had",
        b'Signature-Input: proxy=("@method" "x-ssl-client-cert");created=1700000000;keyid="interop"',
        b"Signature: proxy=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
        b"X-Hop-Signature: t=1700000000,n=0123456789abcdef,mac=" + b"0" * 64,
    )


def _trailer(forger: Forger) -> bytes:
    return b"2\r\nhi\r\n0\r\n" + forger.line() + b"\r\n\r\n"


def _identity(value: str) -> Lines:
    return (
        f"x-auth-client-sha256: {value}".encode(),
        b"X-Auth-Client-Name: CN=victim,O=Acme",
        b"x_auth_client_name: CN=victim,O=Acme",
    )


@dataclass(frozen=True)
class Attack2:
    """One way to forge over HTTP/2. ``head`` are the request's fields for a path."""

    title: str
    head: Callable[[Forger, str], Fields]
    body: Callable[[Forger], bytes] = lambda _forger: b""
    trailer: Callable[[Forger], Fields] = lambda _forger: ()


def _pair(forger: Forger) -> tuple[bytes, bytes]:
    return forger.product.header.encode(), forger.product.encode(forger.victim).encode()


def _replaced(head: Fields, name: bytes, value: bytes) -> Fields:
    return tuple((each, value if each == name else old) for each, old in head)


def _smuggled(forger: Forger) -> bytes:
    return b"GET /smuggled HTTP/1.1\r\nHost: app.example.org\r\n" + forger.line() + b"\r\n\r\n"


ATTACKS2 = (
    Attack2("exact name", lambda f, path: fields(path, _pair(f))),
    Attack2("upper-case name", lambda f, path: fields(path, (_pair(f)[0].upper(), _pair(f)[1]))),
    Attack2("one underscore", lambda f, path: fields(path, (_pair(f)[0].replace(b"-", b"_", 1), _pair(f)[1]))),
    Attack2("twice", lambda f, path: fields(path, _pair(f), _pair(f))),
    Attack2("name with a space behind", lambda f, path: fields(path, (_pair(f)[0] + b" ", _pair(f)[1]))),
    Attack2("name with a colon behind", lambda f, path: fields(path, (_pair(f)[0] + b":", _pair(f)[1]))),
    Attack2("CR LF in another value", lambda f, path: fields(path, (b"x-note", b"a\r\n" + f.line()))),
    Attack2("LF in another value", lambda f, path: fields(path, (b"x-note", b"a\n" + f.line()))),
    Attack2("CR LF in another name", lambda f, path: fields(path, (b"x-note: a\r\n" + _pair(f)[0], _pair(f)[1]))),
    Attack2("NUL in the name", lambda f, path: fields(path, (_pair(f)[0] + b"\0", _pair(f)[1]))),
    Attack2("CR LF in :path", lambda f, path: fields(path + " HTTP/1.1\r\n" + f.line().decode() + "\r\nx-note: ")),
    Attack2("CR LF in :method", lambda f, path: fields(path, method=b"GET / HTTP/1.1\r\n" + f.line() + b"\r\nx-note: ")),
    Attack2("CR LF in :authority", lambda f, path: _replaced(fields(path), b":authority", b"app.example.org\r\n" + f.line())),
    Attack2("connection names the header", lambda f, path: fields(path, (b"connection", _pair(f)[0]), _pair(f))),
    Attack2("header before the pseudo-headers", lambda f, path: (_pair(f), *fields(path))),
    Attack2("second :path", lambda f, path: (*fields(path, _pair(f)), (b":path", b"/other"))),
    Attack2(
        "transfer-encoding and a request in the body",
        lambda _, path: fields(path, (b"transfer-encoding", b"chunked"), method=b"POST"),
        lambda f: b"0\r\n\r\n" + _smuggled(f),
    ),
    Attack2(
        "content-length 0 and a request in the body",
        lambda _, path: fields(path, (b"content-length", b"0"), method=b"POST"),
        _smuggled,
    ),
    Attack2("in a trailer", lambda _, path: fields(path, method=b"POST"), lambda _: b"hi", lambda f: (_pair(f),)),
)

ATTACKS = (
    Attack("exact name", lambda f: (f.line(),)),
    Attack("exact name and chain", Forger.all_lines),
    Attack("other case", lambda f: f.renamed(str.upper)),
    Attack("underscore alias", lambda f: f.renamed(lambda name: name.replace("-", "_"))),
    Attack("one underscore", lambda f: f.renamed(lambda name: name.replace("-", "_", 1))),
    Attack("twice", lambda f: (f.line(), f.line())),
    Attack("twice, first empty", lambda f: (f"{f.product.header}:".encode(), f.line())),
    Attack("folded line", lambda f: (f"{f.product.header}:".encode(), b" " + f.product.encode(f.victim).encode())),
    Attack("space before the colon", lambda f: (f.line(f.product.header + " "),)),
    Attack("bare line feed in another header", lambda f: (b"X-Note: a\n" + f.line(),)),
    Attack("with verify results and names", lambda f: (f.line(), *_siblings(f))),
    Attack("verify results and names alone", _siblings),
    Attack("proof of the hop", lambda f: (f.line(), *_proofs())),
    Attack(
        "Connection names the proof of the hop",
        lambda f: (b"Connection: close, x-hop-secret, x-hop-signature, signature", f.line()),
    ),
    Attack("every known header", _everywhere),
    Attack("victim before own, with comma", lambda f: (f.line(value=f"{f.product.encode(f.victim)},{f.product.encode(f.own)}"),)),
    Attack("open quote before the appended", lambda f: (f.line(value=f'{f.product.encode(f.victim)},By=a;Subject="'),)),
    Attack("open JSON before the appended", lambda f: (f.line(value=products.xfcc_json(f.victim)[:-2] + ',"subject":"'),)),
    Attack("empty JSON list", lambda f: (f.line(value="[]"),)),
    Attack("Connection names the header", lambda f: (b"Connection: keep-alive, " + f.product.header.encode(), f.line())),
    Attack("Connection names it, nothing sent", lambda f: (b"Connection: close, " + f.product.header.encode(),)),
    Attack(
        "Connection names the chain",
        lambda f: (b"Connection: close, " + ", ".join(f.product.preset.chain_headers or ("x-chain",)).encode(), *f.all_lines()),
    ),
    Attack("Connection names the verify result", lambda f: (b"Connection: close, " + ", ".join(_names(f)).encode(), f.line())),
    Attack("forged identity headers", lambda _: _identity("0" * 64)),
    Attack("Connection names identity headers", lambda _: (b"Connection: close, x-auth-client-sha256, x-auth-client-name",)),
    Attack("X-Forwarded-For and Forwarded", lambda f: (b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=127.0.0.1", f.line())),
    Attack(
        "in a trailer",
        lambda f: (b"Transfer-Encoding: chunked", b"Trailer: " + f.product.header.encode()),
        "POST",
        _trailer,
    ),
    Attack(
        "hidden in a body (CL and TE)",
        lambda _: (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
        "POST",
        lambda f: b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.example.org\r\n" + f.line() + b"\r\n\r\n",
    ),
)
