"""What may replace what is held."""

import pytest
from cryptography import x509

from authz_server.demo.pki import Authority, key_usage
from authz_server.refresh.acceptance import Authorities, Held, accept
from authz_server.refresh.content import parse_content
from authz_server.refresh.refusals import Refusal, RefusedError
from tests.refresh.crls import HOUR, NOW, crl, impostor, known, parsed, pem, root, stranger

EXPIRED = {"this": NOW - 3 * HOUR, "following": NOW - 2 * HOUR}
DELTA = {"extensions": [(x509.DeltaCRLIndicator(1), True)]}


def verified(**fields):
    return Held((parsed(**fields),), is_verified=True)


def unverified(**fields):
    return Held((parsed(stranger(), **fields),))


NOTHING = Held()

# held, new, refusal of a fetched one, refusal of a local one
CASES = {
    "the first": (NOTHING, parsed(), None, None),
    "a newer one": (verified(), parsed(number=2), None, None),
    "the same number, made again": (verified(), parsed(serials=(1,)), None, None),
    "an older number, though made later": (verified(number=2), parsed(this=NOW), Refusal.ROLLBACK, Refusal.ROLLBACK),
    "a newer number, though made earlier": (
        verified(),
        parsed(number=2, this=NOW - 2 * HOUR),
        Refusal.ROLLBACK,
        Refusal.ROLLBACK,
    ),
    "the same number, made earlier": (verified(), parsed(this=NOW - 2 * HOUR), Refusal.ROLLBACK, Refusal.ROLLBACK),
    "no number, made earlier": (verified(), parsed(number=None, this=NOW - 2 * HOUR), Refusal.ROLLBACK, Refusal.ROLLBACK),
    "older, though what is held is stale": (verified(number=2, **EXPIRED), parsed(), Refusal.ROLLBACK, Refusal.ROLLBACK),
    "begins in a minute": (NOTHING, parsed(this=NOW + HOUR / 90), None, None),
    "begins in an hour": (
        NOTHING,
        parsed(this=NOW + HOUR, following=NOW + 2 * HOUR),
        Refusal.NOT_YET_VALID,
        Refusal.NOT_YET_VALID,
    ),
    "stale, better than nothing": (NOTHING, parsed(**EXPIRED), None, None),
    "by another key of the CA's name": (NOTHING, parsed(impostor()), Refusal.SIGNER_UNKNOWN, None),
    "by a CA that only clients present": (NOTHING, parsed(stranger()), Refusal.SIGNER_UNKNOWN, None),
    "by another key in place of the CA's": (
        verified(),
        parsed(impostor(), number=9),
        Refusal.SIGNER_UNKNOWN,
        Refusal.SIGNER_UNKNOWN,
    ),
    "by a stranger in place of the CA's": (
        verified(),
        parsed(stranger(), number=9),
        Refusal.SIGNER_UNKNOWN,
        Refusal.SIGNER_UNKNOWN,
    ),
    "an older one, unverified as what is held": (
        unverified(number=2),
        parsed(stranger()),
        Refusal.SIGNER_UNKNOWN,
        Refusal.ROLLBACK,
    ),
    "the CA's own, older than an impostor's": (Held((parsed(impostor(), number=99),)), parsed(), None, None),
    "a delta CRL in place of the complete one": (verified(), parsed(number=2, **DELTA), Refusal.OTHER_CRL, None),
    "another in place of a stale one": (verified(**EXPIRED), parsed(number=2, **DELTA), None, None),
}


@pytest.mark.parametrize(("held", "new", "fetched", "local"), CASES.values(), ids=CASES)
def test_accept(held, new, fetched, local):
    """New data replaces what is held, or is refused by name: fetched data must be signed by a known CA, local data need not."""
    for expected, is_local in ((fetched, False), (local, True)):
        if expected is None:
            after = accept((new,), held, known(), NOW, is_local=is_local)
            assert after == Held((new,), known().have_signed([new]))
        else:
            with pytest.raises(RefusedError) as caught:
                accept((new,), held, known(), NOW, is_local=is_local)
            assert caught.value.refusal is expected


def test_another_cas_list_takes_nothing_away():
    """A current list is not replaced by one of another known CA, which would make the first CA's revocations unknown."""
    authorities = known(root(), stranger())
    with pytest.raises(RefusedError) as caught:
        accept((parsed(stranger(), number=9),), verified(), authorities, NOW, is_local=False)
    assert caught.value.refusal is Refusal.OTHER_CRL


def test_every_one_of_several():
    """Of several CRLs in one file each must be acceptable."""
    both = (parsed(), parsed(stranger()))
    assert accept(both, NOTHING, known(root(), stranger()), NOW, is_local=False) == Held(both, is_verified=True)
    with pytest.raises(RefusedError) as caught:
        accept(both, NOTHING, known(), NOW, is_local=False)
    assert caught.value.refusal is Refusal.SIGNER_UNKNOWN


def test_key_usage():
    """A CA whose keyUsage does not hold cRLSign signs no CRL."""
    usage = x509.KeyUsage(**{name: name == "key_cert_sign" for name in USAGES})
    authority = Authority.create("No CRLs", extensions=((usage, True),))
    assert not known(authority).have_signed([parsed(authority)])


USAGES = [name.lstrip("_") for name in vars(key_usage()) if name != "oid"]


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_authorities_must_be_certificates(content):
    """A file that holds no CA certificate is an error, and not an empty list."""
    with pytest.raises(ValueError, match=r"."):
        Authorities.of([content])


def test_spiffe_bundle():
    """A SPIFFE bundle beside the files of PEM hides none of their CAs: their CRLs are taken."""
    assert Authorities.of([b'\n{"keys": []}', root().certificate_pem]).have_signed([parsed(root())])


ONE, TWO = crl(), crl(serials=(7,))
CONTENTS = {
    "DER": (ONE, 1),
    "PEM": (pem(ONE), 1),
    "PEM with the line breaks of another system": (pem(ONE).replace(b"\n", b"\r\n"), 1),
    "two in PEM, with comments": (b"# one\n" + pem(ONE) + b"\n# two\n" + pem(TWO), 2),
    "empty": (b"", Refusal.NOT_A_CRL),
    "text": (b"<html>Sign in</html>", Refusal.NOT_A_CRL),
    "DER, cut off": (ONE[:-1], Refusal.CRL_UNUSABLE),
    "DER, with a byte behind": (ONE + b"\0", Refusal.CRL_UNUSABLE),
    "DER, twice": (ONE + ONE, Refusal.CRL_UNUSABLE),
    "a certificate": (root().certificate_der, Refusal.CRL_UNUSABLE),
    "a certificate in PEM": (root().certificate_pem, Refusal.NOT_A_CRL),
    "PEM, cut off": (pem(ONE)[:-30], Refusal.NOT_A_CRL),
    "the second of two in PEM, cut off": (pem(ONE) + pem(TWO)[:100], Refusal.NOT_A_CRL),
    "PEM that is no base64": (pem(ONE).replace(b"MI", b"M!", 1), Refusal.NOT_A_CRL),
    "PEM whose base64 is cut": (pem(ONE).replace(b"MI", b"M", 1), Refusal.NOT_A_CRL),
    "too many in PEM": (pem(ONE) * 65, Refusal.NOT_A_CRL),
    "a critical extension that nobody knows": (
        crl(extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]),
        Refusal.CRL_UNUSABLE,
    ),
}


@pytest.mark.parametrize(("content", "expected"), CONTENTS.values(), ids=CONTENTS)
def test_contents(content, expected):
    """A CRL in DER or some in PEM are taken, anything else is refused by name."""
    if isinstance(expected, int):
        assert len(parse_content(content)) == expected
        return
    with pytest.raises(RefusedError) as caught:
        parse_content(content)
    assert caught.value.refusal is expected


def test_strangers_are_not_read():
    """Of a CRL that no known CA signed only the signature is looked at; a known CA's is read."""
    nonsense = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]
    for issuer, expected in ((root(), Refusal.CRL_UNUSABLE), (stranger(), Refusal.SIGNER_UNKNOWN)):
        with pytest.raises(RefusedError) as caught:
            parse_content(crl(issuer, extensions=nonsense), known())
        assert caught.value.refusal is expected
    assert len(parse_content(ONE, known())) == 1


def test_truncation_at_every_length():
    """A CRL cut off anywhere is refused by name."""
    for size in range(len(ONE)):
        for authorities in (None, known()):
            with pytest.raises(RefusedError):
                parse_content(ONE[:size], authorities)
