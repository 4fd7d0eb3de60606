"""A ``CrlIndex`` as a file: written once by the refresher, mapped by every worker, so that a million entries are in memory once.

Layout: magic with version, length of the header (4 bytes, big-endian), SHA-256 of the header, header (JSON), entries as
``SortedSerials`` has them. The header holds the SHA-256 of the entries.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from authz_server.refresh.files import write_atomically
from authz_server.validation.revocation import CrlIndex, ParsedCrl
from authz_server.validation.revocation.index import ENTRY_BYTES, Scope, SortedSerials
from authz_server.validation.revocation.signature import DetachedSignature

if TYPE_CHECKING:
    from pathlib import Path

# The last byte is the version of the format and of what the entries and the scope mean: to be raised when the core reads
# CRLs in another way. A file of another version is an IndexFileError: it is made anew.
MAGIC = b"AZCRLIX\x01"
_LENGTH_BYTES = 4
_PREFIX_BYTES = len(MAGIC) + _LENGTH_BYTES + hashlib.sha256().digest_size
# An issuer's name, a signature and a few distribution points take about 2 KB.
_MAX_HEADER_BYTES = 1 << 20
# Neighbours that are compared when a file is opened; every byte is covered by the hash.
_SAMPLES = 256


class IndexFileError(ValueError):
    """Why an index file cannot be used: cut off, altered, of another version, or not there."""


def write_index(path: Path, parsed: ParsedCrl) -> None:
    """Write the index of one CRL; raises ``OSError``."""
    entries = memoryview(parsed.index.serials.data)
    header = json.dumps(_to_header(parsed, entries)).encode()
    prefix = MAGIC + len(header).to_bytes(_LENGTH_BYTES, "big") + hashlib.sha256(header).digest()
    write_atomically(path, (prefix, header, entries))


def open_index(path: Path) -> ParsedCrl:
    """Map an index file; raises ``IndexFileError``.

    Establishes that the file is whole and as it was written. Does NOT establish who wrote it: the entries are no longer
    covered by the CRL's signature, so the folder must be writable by the service alone. NOTE: whoever shortens a mapped file in
    place ends the processes that look into it (SIGBUS); the refresher only ever replaces and removes files.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # The view keeps the map alive, and SortedSerials the view. A file that is replaced or removed stays mapped.
        return _read(memoryview(mapped))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path.name}: {error}"
        raise IndexFileError(msg) from error


def _read(view: memoryview) -> ParsedCrl:
    if view[: len(MAGIC)] != MAGIC:
        msg = "not an index of this version"
        raise ValueError(msg)
    length = int.from_bytes(view[len(MAGIC) : len(MAGIC) + _LENGTH_BYTES], "big")
    header, entries = view[_PREFIX_BYTES : _PREFIX_BYTES + length], view[_PREFIX_BYTES + length :]
    if length > _MAX_HEADER_BYTES or hashlib.sha256(header).digest() != view[len(MAGIC) + _LENGTH_BYTES : _PREFIX_BYTES]:
        msg = "the header is not as it was written"
        raise ValueError(msg)
    fields = json.loads(bytes(header))
    if len(entries) != fields["entries"] * ENTRY_BYTES or hashlib.sha256(entries).hexdigest() != fields["entries_sha256"]:
        msg = "the entries are not as they were written"
        raise ValueError(msg)
    _refuse_disorder(entries, fields["entries"])
    return ParsedCrl(_from_header(fields, SortedSerials(entries)), fields["sha256"])


def _refuse_disorder(entries: memoryview, count: int) -> None:
    """A search in entries without order finds nothing, which would read as 'not revoked'."""
    for number in range(0, count - 1, max(1, count // _SAMPLES)):
        start, middle, end = (ENTRY_BYTES * (number + step) for step in range(3))
        if bytes(entries[start:middle]) > bytes(entries[middle:end]):
            msg = "the entries are not sorted"
            raise ValueError(msg)


def _to_header(parsed: ParsedCrl, entries: memoryview) -> dict[str, Any]:
    index = parsed.index
    return {
        "sha256": parsed.sha256,
        "issuer": index.issuer.hex(),
        "this_update": index.this_update.isoformat(),
        "next_update": index.next_update.isoformat(),
        "number": _to_hex(index.number),
        "base_number": _to_hex(index.base_number),
        "key_id": None if index.key_id is None else index.key_id.hex(),
        "scope": {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(index.scope).items()},
        "signature": {
            "scheme": index.signature.scheme,
            "hash": index.signature.hash,
            "digest": index.signature.digest.hex(),
            "value": index.signature.value.hex(),
        },
        "entries": len(index.serials),
        "entries_sha256": hashlib.sha256(entries).hexdigest(),
    }


def _from_header(fields: dict[str, Any], serials: SortedSerials) -> CrlIndex:
    scope, signature = fields["scope"], fields["signature"]
    return CrlIndex(
        issuer=bytes.fromhex(fields["issuer"]),
        this_update=datetime.fromisoformat(fields["this_update"]),
        next_update=datetime.fromisoformat(fields["next_update"]),
        number=_from_hex(fields["number"]),
        base_number=_from_hex(fields["base_number"]),
        key_id=None if fields["key_id"] is None else bytes.fromhex(fields["key_id"]),
        scope=_scope(scope),
        signature=DetachedSignature(
            signature["scheme"], signature["hash"], bytes.fromhex(signature["digest"]), bytes.fromhex(signature["value"])
        ),
        serials=serials,
    )


def _scope(fields: dict[str, Any]) -> Scope:
    """A scope of fewer or more fields than the core knows was written by another version: a TypeError, and made anew."""
    values: dict[str, Any] = {name: frozenset(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Scope(**values)


def _to_hex(number: int | None) -> str | None:
    """Hexadecimal: a CRL number may have more digits than Python converts to decimal."""
    return None if number is None else f"{number:x}"


def _from_hex(text: str | None) -> int | None:
    return None if text is None else int(text, 16)
