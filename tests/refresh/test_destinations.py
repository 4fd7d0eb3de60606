"""Where a fetch may go."""

import ipaddress

import pytest

from authz_server.refresh.destinations import Destination, Origin, permitted, refuse_unlisted
from authz_server.refresh.refusals import Refusal, RefusedError

URLS = {
    "http://crl.example": ("http://crl.example:80", "/"),
    "https://CRL.example/a.crl": ("https://crl.example:443", "/a.crl"),
    "https://crl.example:8443/a?b=c#d": ("https://crl.example:8443", "/a?b=c"),
    "http://10.0.0.7?x": ("http://10.0.0.7:80", "/?x"),
    "http://[2001:DB8:0::1]:8080/": ("http://[2001:db8::1]:8080", "/"),
}
MALFORMED = [
    "",
    "crl.example/a",
    "ldap://crl.example/a",
    "file:///etc/passwd",
    "HTTP//crl.example",
    "http:///a",
    "http://user@crl.example/",  # who reads it takes the user for the host
    "http://crl.example@evil.example/",
    "http://crl.example\\@evil.example/",
    "http://crl.exa%6dple/",
    "http://crl.example:0/",
    "http://crl.example:65536/",
    "http://crl.example:/",
    "http://crl.example/a b",
    "http://crl.example/\r\nHost: evil",
    "http://crl.example/\u00e4",
    "http://\u00e4.example/",
    "http://[::1/",
    "http://[fe80::1%eth0]/",
    "http://[1:2]/",
    " http://crl.example/",
    "http://crl.example/" + "a" * 2048,
]


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_urls(url, expected):
    """A URL is taken apart into its origin and what is asked for."""
    destination = Destination.parse(url)
    assert (str(destination.origin), destination.target) == expected


@pytest.mark.parametrize("url", MALFORMED)
def test_malformed_urls(url):
    """What is not a plain http or https URL is refused."""
    with pytest.raises(RefusedError) as caught:
        Destination.parse(url)
    assert caught.value.refusal is Refusal.URL_MALFORMED


@pytest.mark.parametrize("text", ["http://crl.example/a", "crl.example", "https://"])
def test_malformed_origins(text):
    """An origin is scheme, host and port, and nothing else."""
    with pytest.raises(ValueError, match=r"an origin has no path|expected scheme"):
        Origin.parse(text)


OTHERS = ["http://crl.example", "https://crl.example:444", "https://www.crl.example", "https://crl.example.", "https://evil"]


@pytest.mark.parametrize("other", OTHERS)
def test_only_listed_origins(other):
    """Another scheme, host or port is another origin."""
    allow = (Origin.parse("https://crl.example"),)
    refuse_unlisted(Origin.parse("https://CRL.example:443"), allow)
    with pytest.raises(RefusedError) as caught:
        refuse_unlisted(Origin.parse(other), allow)
    assert caught.value.refusal is Refusal.ORIGIN_NOT_ALLOWED


# What each is: RFC 6890 and the registries it made.
PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the clouds' metadata
    "100.64.0.1",  # shared by carriers
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",  # site-local
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::10.0.0.1",  # NAT64 of a private address
    "64:ff9b:1::1",
    "2002:a00:1::1",  # 6to4
    "2001:0:1:2::3",  # Teredo
]
PUBLIC = ["8.8.8.8", "2600::1", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    """An address that is not public is refused, unless its network is listed."""
    with pytest.raises(RefusedError) as caught:
        permitted([address], [ipaddress.ip_network("192.0.0.8/32")])
    assert caught.value.refusal is Refusal.ADDRESS_REFUSED
    listed = ipaddress.ip_address(address)
    assert permitted(
        [address],
        [ipaddress.ip_network(str(listed).split("%")[0])] if "%" not in address else [ipaddress.ip_network("fe80::/10")],
    ) == [listed]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    """A public address is permitted."""
    assert permitted([address], []) == [ipaddress.ip_address(address)]


def test_only_the_permitted_addresses_of_a_name():
    """Of a name with several addresses only the permitted ones are used, in their order; a name without any has none."""
    assert [str(each) for each in permitted(["10.0.0.1", "8.8.4.4", "::1", "8.8.8.8", "8.8.4.4"], [])] == ["8.8.4.4", "8.8.8.8"]
    with pytest.raises(RefusedError):
        permitted([], [])
