"""Index files: what is written is what is read, and anything else is refused."""

import multiprocessing
from datetime import UTC, datetime

import pytest
from cryptography import x509

from authz_server.refresh.index_file import MAGIC, IndexFileError, open_index, write_index
from authz_server.validation.revocation import CrlIndex, ParsedCrl
from authz_server.validation.revocation.index import ENTRY_BYTES, SortedSerials
from tests.refresh.crls import crl, parsed, root

POINT = x509.IssuingDistributionPoint(
    full_name=[x509.UniformResourceIdentifier("http://crl.example/1")],
    relative_name=None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)

CRLS = {
    "ordinary": {},
    "empty": {"serials": ()},
    "no number": {"number": None},
    "a number longer than Python prints": {"number": 1 << 20000},
    "scoped": {"extensions": [(POINT, True)]},
    "delta": {"extensions": [(x509.DeltaCRLIndicator(1), True)], "number": 2},
    "largest serial numbers": {"serials": ((1 << 159) - 1, 1 << 158)},
}


@pytest.mark.parametrize("fields", CRLS.values(), ids=CRLS)
def test_round_trip(tmp_path, fields):
    """An index comes back as it was, with its signature and every entry."""
    before = parsed(**fields)
    write_index(tmp_path / "index", before)
    after = open_index(tmp_path / "index")
    assert after.sha256 == before.sha256
    for name in ("issuer", "this_update", "next_update", "number", "base_number", "key_id", "scope", "signature"):
        assert getattr(after.index, name) == getattr(before.index, name), name
    assert bytes(after.index.serials.data) == before.index.serials.data
    key = root().certificate.public_key()
    assert after.index.is_by(key, b"the key")


def flipped(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


HEADER = len(MAGIC) + 4 + 32
DAMAGE = {
    "nothing": lambda _: b"",
    "cut within the magic": lambda data: data[:5],
    "cut within the prefix": lambda data: data[:20],
    "cut within the header": lambda data: data[: HEADER + 10],
    "cut within the entries": lambda data: data[:-1],
    "an entry is missing": lambda data: data[:-ENTRY_BYTES],
    "an entry too many": lambda data: data + bytes(ENTRY_BYTES),
    "another version": lambda data: flipped(data, len(MAGIC) - 1),
    "a bit in the header's length": lambda data: flipped(data, len(MAGIC) + 3),
    "a bit in the header": lambda data: flipped(data, HEADER + 30),
    "a bit in the entries": lambda data: flipped(data, len(data) - 1),
    "a CRL": lambda _: crl(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_refused(tmp_path, damage):
    """A file that is cut off, altered or something else is refused by name."""
    path = tmp_path / "index"
    write_index(path, parsed())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IndexFileError):
        open_index(path)


def test_missing_is_refused(tmp_path):
    """A file that is not there is refused by name."""
    with pytest.raises(IndexFileError):
        open_index(tmp_path / "index")


def test_disorder_is_refused(tmp_path):
    """Entries that are not sorted are refused even if they are as they were written."""
    good = parsed().index
    data = bytes(good.serials.data)
    disordered = SortedSerials(data[ENTRY_BYTES:] + data[:ENTRY_BYTES])
    fields = (good.issuer, good.this_update, good.next_update, 1, None, None, good.scope, good.signature, disordered)
    write_index(tmp_path / "index", ParsedCrl(CrlIndex(*fields), "0" * 64))
    with pytest.raises(IndexFileError):
        open_index(tmp_path / "index")


def test_replaced_file_stays_mapped(tmp_path):
    """What was opened goes on being what it was after its file was replaced and removed."""
    path = tmp_path / "index"
    write_index(path, parsed(serials=(1, 2)))
    held = open_index(path).index
    write_index(path, parsed(serials=(7,)))
    assert open_index(path).index.serials.find(7) is True
    path.unlink()
    assert [held.serials.find(number) for number in (1, 2, 7)] == [True, True, None]


def _rewrite(path, count):
    entries = SortedSerials.build((number, True) for number in range(20000))
    good = parsed().index
    fields = (good.issuer, datetime(2026, 1, 1, tzinfo=UTC), good.next_update, 1, None, None, good.scope, good.signature, entries)
    for _ in range(count):
        write_index(path, ParsedCrl(CrlIndex(*fields), "0" * 64))


def test_a_reader_never_sees_half_a_file(tmp_path):
    """While one process writes a file over and over, another only ever reads it whole."""
    path = tmp_path / "index"
    _rewrite(path, 1)
    writer = multiprocessing.get_context("spawn").Process(target=_rewrite, args=(path, 100))
    writer.start()
    inodes = set()
    while writer.is_alive():
        inodes.add(path.stat().st_ino)
        assert len(open_index(path).index.serials) == 20000
    writer.join()
    assert writer.exitcode == 0
    assert len(inodes) > 1
    assert [each.name for each in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 255, 256, 257, 1000])
def test_search(count):
    """Every listed number is found and no other, whatever the number of entries; a revocation counts before its removal."""
    entries = [(number * 3, number % 2 == 0) for number in range(count)]
    serials = SortedSerials.build([*entries, *((number, False) for number, _ in entries)])
    for number, revoked in entries:
        assert serials.find(number) is revoked
        assert serials.find(number + 1) is None
    assert serials.find((1 << 160) - 1) is None


def test_search_over_many_of_one_number():
    """Entries for one number that fill several steps of the search are all looked at."""
    serials = SortedSerials.build([(5, False)] * 300 + [(5, True)] + [(4, False)] * 200)
    assert (serials.find(5), serials.find(4), serials.find(3)) == (True, False, None)
