"""``presets.py``: every row is consistent, and reads what its format's writer makes, the siblings included."""

import hashlib
import re

import pytest

from authz_server.forwarded import PRESETS, Check, ElementSelector, Evidence, Format, Preset, presented_chain
from authz_server.forwarded.base64_der_concat import encode_base64_der_concat
from authz_server.forwarded.formats import LISTS
from authz_server.forwarded.rewritten_pem import encode_pem_spaces
from authz_server.forwarded.rfc9440 import encode_client_cert_chain
from authz_server.reasons import Reason, Rejection
from tests.forwarded.writers import CHAINS, written
from tests.pki import alice, bob, certificate, intermediate, presented
from tests.samples import request

LEAF = alice().certificate_der
TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
CHAIN_WRITERS = {
    Format.RFC9440: encode_client_cert_chain,
    Format.BASE64_DER_CONCAT: encode_base64_der_concat,
    Format.PEM_SPACES: encode_pem_spaces,
}
ROWS = pytest.mark.parametrize("preset", [pytest.param(preset, id=name) for name, preset in PRESETS.items()])


def source(preset: Preset):
    return preset.source("edge", ElementSelector())


def said(check: Check, expected):
    """What a product says of alice."""
    parsed = alice().certificate
    return {
        Check.VERIFIED: min(expected, default=""),
        Check.SHA256: hashlib.sha256(LEAF).hexdigest(),
        Check.SHA1: hashlib.sha1(LEAF, usedforsecurity=False).hexdigest(),
        Check.SERIAL: f"{parsed.serial_number:040X}",
        Check.SERIAL_DECIMAL: str(parsed.serial_number),
        Check.SUBJECT: parsed.subject.rfc4514_string(),
        Check.ISSUER: parsed.issuer.rfc4514_string(),
        Check.STRIP: "anything",
    }[check]


def lines(preset: Preset, **changes):
    """Every header of the preset as the product sends it for alice; ``changes`` replace the value of one check."""
    leaf_only = preset.is_leaf_only or preset.chain_headers
    sent = [(preset.header, written(preset.format, alice().chain_der[: 1 if leaf_only else None]))]
    if preset.chain_headers:
        sent.append((preset.chain_headers[0], CHAIN_WRITERS[preset.chain_format or preset.format](alice().chain_der[1:])))
        sent += [(name, "(null)") for name in preset.chain_headers[1:]]
    sent += [(each.header, changes.get(each.check.name, said(each.check, each.expected))) for each in preset.siblings]
    return [(name, value.encode()) for name, value in sent]


@ROWS
def test_consistent(preset):
    """Names are tokens in lower case, no header stands twice, and every column says something."""
    headers = source(preset).headers
    assert all(TOKEN.fullmatch(name) for name in headers)
    assert len({name.replace("_", "-") for name in headers}) == len(headers)
    assert TOKEN.fullmatch(preset.name)
    assert preset.evidence in Evidence
    assert preset.evidence.meaning
    assert preset.documentation.startswith("https://")
    assert all(text and text == text.strip() and not text.endswith(".") for text in (preset.guarantees, preset.caveats))
    assert preset.product
    for sibling in preset.siblings:
        assert sibling.check is Check.VERIFIED or not sibling.expected
    if preset.format is Format.XFCC:
        assert not preset.chain_headers
    assert preset.chain_format is None or preset.chain_headers


@ROWS
def test_read(preset):
    """What the product sends for a client, the siblings included, is the client's chain."""
    chain = presented_chain(request(*lines(preset)), source(preset))
    holds_chain = preset.chain_headers or (preset.format in CHAINS and not preset.is_leaf_only)
    assert chain.leaf == certificate(alice())
    assert chain.intermediates == ((certificate(intermediate()),) if holds_chain else ())


@ROWS
@pytest.mark.parametrize("nothing", [b"", b"(null)", b"-"])
def test_without_a_certificate(preset, nothing):
    """Whatever the product writes where it has nothing to say, nobody is the client."""
    empty = [(name, nothing) for name in source(preset).headers]
    for sent in ([], empty):
        with pytest.raises(Rejection) as refusal:
            presented_chain(request(*sent), source(preset))
        assert refusal.value.reason is Reason.CREDENTIAL_MISSING


@ROWS
def test_line_added(preset):
    """A client's own line beside the product's is refused, for the certificate and each sibling that is compared."""
    sent = lines(preset)
    lists = preset.chain_headers if (preset.chain_format or preset.format) in LISTS else ()
    stripped = {each.header for each in preset.siblings if each.check is Check.STRIP}
    for name, value in sent:
        if name not in stripped and name not in lists:
            with pytest.raises(Rejection) as refusal:
                presented_chain(request((name, value), *sent), source(preset))
            assert refusal.value.reason is Reason.HEADER_DUPLICATED


@ROWS
def test_second_certificate(preset):
    """Where the product sends the leaf alone, a certificate behind it is refused."""
    if not preset.is_leaf_only:
        return
    both = written(preset.format, (LEAF, bob().certificate_der)) if preset.format in CHAINS else None
    if both is None:
        both = written(preset.format, (LEAF,)) + "\n\t" + written(preset.format, (bob().certificate_der,))
    with pytest.raises(Rejection) as refusal:
        presented_chain(request((preset.header, both.encode())), source(preset))
    assert refusal.value.reason is Reason.LEAF_AMBIGUOUS


COMPARED = [
    pytest.param(preset, each, id=f"{name} {each.header}")
    for name, preset in PRESETS.items()
    for each in preset.siblings
    if each.check is not Check.STRIP
]


@pytest.mark.parametrize(("preset", "sibling"), COMPARED)
def test_sibling_of_another(preset, sibling):
    """Each sibling is compared: what the product would say of somebody else refuses the request."""
    sent = [(name, b"FAILED" if name == sibling.header else value) for name, value in lines(preset)]
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*sent), source(preset))
    is_verdict = sibling.check is Check.VERIFIED
    assert refusal.value.reason is (Reason.PROXY_VERIFICATION_FAILED if is_verdict else Reason.SIBLING_MISMATCH)
    assert refusal.value.facts["header"] == sibling.header


def test_required_siblings():
    """A product that always sends its verdict sent nothing if the verdict is missing."""
    required = [(preset, each) for preset in PRESETS.values() for each in preset.siblings if each.is_required]
    assert required
    for preset, sibling in required:
        with pytest.raises(Rejection) as refusal:
            presented_chain(request(*(line for line in lines(preset) if line[0] != sibling.header)), source(preset))
        assert (refusal.value.reason, refusal.value.facts) == (Reason.SIBLING_MISSING, {"header": sibling.header})


def test_every_format_has_a_product():
    """A format that no preset uses is there for an operator who knows what his proxy sends: those are named here."""
    assert set(Format) - {preset.format for preset in PRESETS.values()} == {Format.BASE64_PEM}
    assert list(PRESETS) == [preset.name for preset in PRESETS.values()]


def test_presented_as_it_was_sent():
    """An honest Apache's headers, six for the chain, come to the chain that the client sent."""
    assert presented_chain(request(*lines(PRESETS["apache"])), source(PRESETS["apache"])) == presented(alice())
