"""What a worker sees of the refresher's folder."""

import json
from datetime import UTC, datetime

import pytest

from authz_server.refresh import RevocationWatcher, SourceStatus, StateError, load_state
from authz_server.refresh.index_file import write_index
from authz_server.refresh.refusals import Refusal
from authz_server.refresh.state import read_state, write_state
from tests.refresh.crls import NOW, parsed

FULL = SourceStatus(
    source="http://crl.example/",
    refusal=Refusal.ROLLBACK,
    detail="number 1",
    crls=("0" * 64,),
    is_verified=True,
    number=1 << 20000,
    entries=3,
    this_update=NOW,
    next_update=datetime(2030, 1, 1, tzinfo=UTC),
    last_success=NOW,
    last_failure=NOW,
    failures=2,
)


def put(folder, **sources):
    """Publish sources, each with its CRLs."""
    statuses = []
    for name, crls in sources.items():
        for each in crls:
            path = folder / f"{each.sha256}.crlx"
            if not path.exists():
                write_index(path, each)
        statuses.append(SourceStatus(name, crls=tuple(each.sha256 for each in crls)))
    write_state(folder, statuses)


def test_round_trip(tmp_path):
    """A state comes back as it was written."""
    write_state(tmp_path, [FULL, SourceStatus("a file")])
    assert read_state((tmp_path / "state.json").read_bytes()).sources == (FULL, SourceStatus("a file"))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"version": 2, "sources": []}', b'{"version": 1, "sources": [{}]}', b'{"version": 1, "sources": [1]}'],
)
def test_unusable_state(tmp_path, content):
    """A state that is not understood whole is refused, and the data before stays good."""
    put(tmp_path, a=[parsed()])
    watcher = RevocationWatcher(tmp_path)
    assert watcher.poll() is not None
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(StateError):
        load_state(tmp_path)
    assert watcher.poll() is None
    assert "state.json" in watcher.problem
    assert [status.source for status in watcher.statuses] == ["a"]


def test_polls(tmp_path):
    """Data is given when it changed only; what was open already is the same object; the same CRL of two sources is one."""
    watcher = RevocationWatcher(tmp_path)
    assert watcher.poll() is None
    assert watcher.problem is not None
    one, two = parsed(serials=(1,)), parsed(serials=(2,), number=2)
    put(tmp_path, a=[one], b=[one])
    data = watcher.poll()
    assert len(data.crls) == 1
    assert watcher.problem is None
    assert abs(watcher.published_at - datetime.now(UTC)).total_seconds() < 60
    assert watcher.poll() is None
    put(tmp_path, a=[one], c=[one])
    assert watcher.poll() is None
    assert [status.source for status in watcher.statuses] == ["a", "c"]
    put(tmp_path, a=[one], c=[two])
    after = watcher.poll()
    assert after.crls[0] is data.crls[0]
    assert after.crls[1].serials.find(2) is True
    put(tmp_path)
    assert watcher.poll().crls == ()


def test_index_that_cannot_be_opened(tmp_path):
    """A source whose index cannot be opened keeps its data before, the others are renewed, and it is tried again."""
    old, new = parsed(serials=(1,)), parsed(serials=(2,), number=2)
    put(tmp_path, a=[old])
    watcher = RevocationWatcher(tmp_path)
    watcher.poll()
    put(tmp_path, a=[new], b=[parsed(serials=(5,))])
    index = tmp_path / f"{new.sha256}.crlx"
    content = index.read_bytes()
    index.write_bytes(content[:-1])
    data = watcher.poll()
    assert [[number for number in (1, 2, 5) if each.serials.find(number)] for each in data.crls] == [[1], [5]]
    assert new.sha256 in watcher.problem
    assert watcher.poll() is None
    index.write_bytes(content)
    data = watcher.poll()
    assert [[number for number in (1, 2, 5) if each.serials.find(number)] for each in data.crls] == [[2], [5]]
    assert watcher.problem is None


def test_names_outside_the_folder(tmp_path):
    """A state cannot name a file that is not an index of its folder."""
    put(tmp_path, a=[parsed()])
    path = tmp_path / "state.json"
    document = json.loads(path.read_text())
    document["sources"][0]["crls"] = ["../" * 8 + "etc/passwd"]
    path.write_text(json.dumps(document))
    watcher = RevocationWatcher(tmp_path)
    assert watcher.poll().crls == ()
    assert "not a SHA-256" in watcher.problem
