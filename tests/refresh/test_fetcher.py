"""One fetch against real servers that misbehave."""

import ipaddress
import socket
import ssl
import threading
import time

import pytest

from authz_server.demo.pki import Authority
from authz_server.refresh.destinations import Origin
from authz_server.refresh.fetcher import Fetched, Fetcher, NotModified, Validators
from authz_server.refresh.job import Limits
from authz_server.refresh.refusals import Refusal, RefusedError
from tests.refresh.site import answer, dripping, raw, redirect, site, versioned

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
LIMITS = Limits(max_bytes=10_000, connect_seconds=5, total_seconds=10)
SHORT = Limits(max_bytes=10_000, connect_seconds=0.3, total_seconds=0.6)
OK = b"HTTP/1.1 200 OK\r\n"


def fetcher(*origins, networks=LOOPBACK, limits=LIMITS, resolver=lambda _host, _port: ["127.0.0.1"], **fields):
    """A fetcher for which every name leads to loopback."""
    return Fetcher(tuple(map(Origin.parse, origins)), networks, limits, resolver=resolver, **fields)


def refused(function, *args):
    with pytest.raises(RefusedError) as caught:
        function(*args)
    return caught.value.refusal


@pytest.fixture(scope="module")
def server():
    """A server; every test puts its own pages there."""
    with site() as running:
        yield running


PAGES = {
    "whole": (b"0123", None),
    "chunked": (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n01\r\n2\r\n23\r\n0\r\n\r\n"), None),
    "until the end of the connection": (raw(OK + b"\r\n0123"), None),
    "the largest": (bytes(10_000), None),
    "absent": (answer(b"no", 404), Refusal.HTTP_STATUS),
    "an error": (answer(b"no", 500), Refusal.HTTP_STATUS),
    "a part": (answer(b"0", 206), Refusal.HTTP_STATUS),
    "not modified, which was not asked": (answer(b"", 304), Refusal.HTTP_STATUS),
    "a byte too many": (bytes(10_001), Refusal.TOO_LARGE),
    "too large, without a length": (raw(OK + b"\r\n" + bytes(10_001)), Refusal.TOO_LARGE),
    "too large, announced and never sent": (answer(b"0", Content_Length="10001"), Refusal.TOO_LARGE),
    "cut off": (answer(b"0123", Content_Length="5"), Refusal.ANSWER_BROKEN),
    "cut off within a chunk": (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n01"), Refusal.ANSWER_BROKEN),
    "cut off before the last chunk": (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n01\r\n"), Refusal.ANSWER_BROKEN),
    "packed": (answer(b"0", Content_Encoding="gzip"), Refusal.ANSWER_BROKEN),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH\r\n"), Refusal.ANSWER_BROKEN),
    "nothing": (raw(b""), Refusal.ANSWER_BROKEN),
    "a header for ever": (raw(OK + b"X: " + bytes(70_000)), Refusal.ANSWER_BROKEN),
    "slow to begin": (lambda _: time.sleep(20), Refusal.TIMED_OUT),
    "a slow status line": (dripping(b"HTTP/1.1 2"), Refusal.TIMED_OUT),
    "slow headers": (dripping(OK + b"X: "), Refusal.TIMED_OUT),
    "a slow body": (dripping(OK + b"Content-Length: 9000\r\n\r\n"), Refusal.TIMED_OUT),
    "a slow body without a length": (dripping(OK + b"\r\n"), Refusal.TIMED_OUT),
    "slow chunks": (dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n1;"), Refusal.TIMED_OUT),
}


@pytest.mark.parametrize(("page", "refusal"), PAGES.values(), ids=PAGES)
def test_answers(server, page, refusal):
    """An answer is taken whole or refused by name, within the limits of size and time."""
    server.pages["/"] = page
    origin = f"http://crl.example:{server.port}"
    if refusal is None:
        assert fetcher(origin).fetch(origin + "/").content in {b"0123", bytes(10_000)}
        return
    limits = SHORT if refusal is Refusal.TIMED_OUT else LIMITS
    started = time.monotonic()
    assert refused(fetcher(origin, limits=limits).fetch, origin + "/") is refusal
    assert time.monotonic() - started < 5  # the servers of these pages go on for 20


def test_request(server):
    """What is sent names the host and nothing about us, and asks for no packing."""
    server.pages["/a?b"] = b""
    server.seen.clear()
    origin = f"http://crl.example:{server.port}"
    fetcher(origin).fetch(origin + "/a?b")
    ((path, headers),) = server.seen
    assert (path, headers["Host"], headers["Accept-Encoding"]) == ("/a?b", f"crl.example:{server.port}", "identity")
    assert not {"Cookie", "Authorization", "Referer", "If-None-Match", "If-Modified-Since"} & set(headers)


def test_not_modified(server):
    """A version that is held is not fetched again."""
    server.pages["/"] = versioned(b"content", '"1"')
    origin = f"http://crl.example:{server.port}"
    first = fetcher(origin).fetch(origin)
    assert first == Fetched(b"content", Validators('"1"', "Mon, 01 Jun 2026 12:00:00 GMT"))
    assert fetcher(origin).fetch(origin, first.validators) == NotModified()
    assert server.seen[-1][1]["If-Modified-Since"] == "Mon, 01 Jun 2026 12:00:00 GMT"
    assert isinstance(fetcher(origin).fetch(origin, Validators('"0"')), Fetched)


def test_redirects(server):
    """One redirect to a listed origin is followed; to another origin, a second one, or one to nowhere is refused."""
    origin, other = f"http://crl.example:{server.port}", f"http://mirror.example:{server.port}"
    server.pages |= {
        "/listed": redirect(f"{other}/crl", 301),
        "/relative": redirect("crl", 307),
        "/unlisted": redirect("http://evil.example/crl"),
        "/scheme": redirect("file:///etc/passwd"),
        "/https": redirect(f"https://crl.example:{server.port}/crl", 308),
        "/twice": redirect("/relative", 303),
        "/loop": redirect("/loop"),
        "/nowhere": answer(b"", 302),
        "/odd": redirect("http://[/"),
        "/crl": b"content",
    }
    ask = fetcher(origin, other).fetch
    assert ask(f"{origin}/listed").content == b"content"
    assert ask(f"{origin}/relative").content == b"content"
    assert refused(fetcher(origin).fetch, f"{origin}/listed") is Refusal.REDIRECT_REFUSED
    for path in ("/unlisted", "/scheme", "/https", "/twice", "/loop", "/nowhere", "/odd"):
        assert refused(ask, origin + path) is Refusal.REDIRECT_REFUSED, path


def test_redirect_to_a_private_address(server):
    """A redirect to a listed origin is subject to the same rule about addresses."""
    origin, other = f"http://crl.example:{server.port}", f"http://mirror.example:{server.port}"
    server.pages["/"] = redirect(f"{other}/")
    names = {"crl.example": ["127.0.0.1"], "mirror.example": ["10.0.0.1"]}
    ask = fetcher(origin, other, resolver=lambda host, _port: names[host]).fetch
    assert refused(ask, origin) is Refusal.ADDRESS_REFUSED


def test_nothing_is_sent_to_what_is_refused(server):
    """An origin that is not listed, or an address that is not permitted, is never connected to."""
    server.seen.clear()
    origin = f"http://crl.example:{server.port}"
    asked = []

    def resolver(host, _port):
        asked.append(host)
        return ["127.0.0.1"]

    assert refused(fetcher("http://crl.example", resolver=resolver).fetch, origin) is Refusal.ORIGIN_NOT_ALLOWED
    assert asked == []
    assert refused(fetcher(origin, networks=(), resolver=resolver).fetch, origin) is Refusal.ADDRESS_REFUSED
    assert refused(fetcher(origin, networks=()).fetch, f"http://localhost:{server.port}") is Refusal.ORIGIN_NOT_ALLOWED
    assert server.seen == []


def test_rebinding(server):
    """A name is resolved once a fetch, and connected to is what was checked: a second answer of the name service is not asked."""
    server.pages["/"] = b"content"
    origin = f"http://crl.example:{server.port}"
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    assert fetcher(origin, resolver=lambda _host, _port: next(answers)).fetch(origin).content == b"content"
    assert list(answers) == [["10.0.0.1"]]


def test_numeric_names(server):
    """Loopback stays refused however it is spelled."""
    for host in ("127.1", "2130706433", "0x7f000001", "localhost", "[::ffff:127.0.0.1]"):
        origin = f"http://{host}:{server.port}"
        ask = Fetcher((Origin.parse(origin),), limits=LIMITS).fetch
        assert refused(ask, origin) in {Refusal.ADDRESS_REFUSED, Refusal.NAME_UNRESOLVED}, host


def test_other_addresses_are_tried(server):
    """Where the first address refuses the connection, the next permitted one is asked."""
    server.pages["/"] = b"content"
    origin = f"http://crl.example:{server.port}"
    resolver = lambda _host, _port: ["10.0.0.1", "127.0.0.2", "127.0.0.1"]  # noqa: E731 - a table of one row
    assert fetcher(origin, resolver=resolver).fetch(origin).content == b"content"


def test_proxies_of_the_environment(server, monkeypatch):
    """Proxies that the environment names have no part in a fetch."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.pages["/"] = b"content"
    origin = f"http://crl.example:{server.port}"
    assert fetcher(origin).fetch(origin).content == b"content"


def test_outage():
    """A server that is down is a refused connection, one that accepts and is silent a timeout, a name without address its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        origin = f"http://crl.example:{port}"
        assert refused(fetcher(origin, limits=SHORT).fetch, origin) is Refusal.TIMED_OUT
    assert refused(fetcher(origin).fetch, origin) is Refusal.CONNECT_FAILED

    def unknown(_host, _port):
        raise socket.gaierror

    assert refused(fetcher(origin, resolver=unknown).fetch, origin) is Refusal.NAME_UNRESOLVED


def test_silent_name_service():
    """A name service that does not answer ends the fetch at its deadline."""
    silence = threading.Event()

    def silent(_host, _port):
        silence.wait(10)
        return []

    ask = fetcher("http://crl.example", resolver=silent, limits=Limits(total_seconds=0.2)).fetch
    assert refused(ask, "http://crl.example") is Refusal.TIMED_OUT
    silence.set()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server with a certificate for crl.example, and the file of its root."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create("Web Root")
    issued = authority.issue("CN=crl.example", dns=["crl.example"], eku="server")
    (folder / "root.pem").write_bytes(authority.certificate_pem)
    (folder / "server.pem").write_bytes(issued.certificate_pem + issued.key_pem)
    with site({"/": b"content"}, issued=folder / "server.pem") as running:
        yield running, folder / "root.pem"


def test_tls_is_with_the_name(tls):
    """Over TLS the server must prove the name of the URL, though the connection is made to an address."""
    server, roots = tls
    context = lambda: ssl.create_default_context(cafile=str(roots))  # noqa: E731 - a table of one row
    origin, other = f"https://crl.example:{server.port}", f"https://other.example:{server.port}"
    assert fetcher(origin, tls=context).fetch(origin).content == b"content"
    assert server.names[-1] == "crl.example"
    assert refused(fetcher(other, tls=context).fetch, other) is Refusal.TLS_FAILED
    assert refused(fetcher(origin).fetch, origin) is Refusal.TLS_FAILED
    plain = f"http://crl.example:{server.port}"
    assert refused(fetcher(plain).fetch, plain) is Refusal.ANSWER_BROKEN


def test_tls_with_what_speaks_none(server):
    """A server that speaks no TLS, or roots that cannot be read, are failures of TLS."""
    origin = f"https://crl.example:{server.port}"
    assert refused(fetcher(origin).fetch, origin) is Refusal.TLS_FAILED
    missing = lambda: ssl.create_default_context(cafile="/nonexistent")  # noqa: E731 - a table of one row
    assert refused(fetcher(origin, tls=missing).fetch, origin) is Refusal.TLS_FAILED


def test_slow_handshake():
    """A handshake that never ends, ends with the time for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"https://crl.example:{listening.getsockname()[1]}"
        assert refused(fetcher(origin, limits=SHORT).fetch, origin) is Refusal.TIMED_OUT
