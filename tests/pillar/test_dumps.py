"""Dumps as mongodump writes them are read; whatever is damaged is told with its place."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from tests.support import mongodumps
from tests.support.mongodumps import TERMINATOR, ids_in

from cella.errors import BadRequest, CellaError, DamagedDump
from cella.pillar.archive import MAGIC
from cella.pillar.dump import COLLECTIONS, open_dump
from cella.pillar.source import LARGEST

STUDIO = mongodumps.studio()


def _ids() -> dict[str, list[ObjectId]]:
    return {name: [each["_id"] for each in STUDIO[name]] for name in COLLECTIONS}


def _folder(tmp_path: Path) -> Path:
    return mongodumps.folder(tmp_path / "dump" / "eve", STUDIO)


def _top_folder(tmp_path: Path) -> Path:
    mongodumps.folder(tmp_path / "dump" / "admin", {"system.version": [{"_id": 1}]})
    (tmp_path / "dump" / "oplog.bson").write_bytes(b"")
    return _folder(tmp_path).parent


def _packed_folder(tmp_path: Path) -> Path:
    return mongodumps.folder(tmp_path / "eve", STUDIO, packed=True)


def _archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(mongodumps.archive(STUDIO, at_once=1))
    return path


def _packed_archive(tmp_path: Path) -> Path:
    path = tmp_path / "eve.archive"
    path.write_bytes(gzip.compress(mongodumps.archive(STUDIO)))
    return path


@pytest.mark.parametrize(
    "written", [_folder, _top_folder, _packed_folder, _archive, _packed_archive]
)
def test_all_forms_hold_the_same(written: Callable[[Path], Path], tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path))
    assert dump.collections == COLLECTIONS
    assert {name: ids_in(dump, name) for name in COLLECTIONS} == _ids()
    assert "nodes" in dump.passed_over
    read: list[int] = []
    for name in COLLECTIONS:
        list(dump.documents(name, read.append))
    assert sum(read) == dump.size


def test_other_databases_are_told_of(tmp_path: Path) -> None:
    dump = open_dump(_top_folder(tmp_path))
    assert set(dump.passed_over) == {"the database admin", "oplog", "nodes"}


def test_of_several_databases_one_must_be_named(tmp_path: Path) -> None:
    mongodumps.folder(tmp_path / "dump" / "other", {"users": [mongodumps.user("eve")]})
    top = _folder(tmp_path).parent
    with pytest.raises(BadRequest, match=r"eve, other.*--db"):
        open_dump(top)
    assert open_dump(top, "other").collections == ("users",)
    with pytest.raises(BadRequest, match="no database nothing"):
        open_dump(top, "nothing")


def test_what_is_no_dump_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="No database of Pillar"):
        open_dump(tmp_path)
    (tmp_path / "text").write_text("This is a text.")
    with pytest.raises(DamagedDump, match=r"text, byte 0: this is no archive"):
        open_dump(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        open_dump(tmp_path / "nothing")


def test_an_archive_that_was_written_by_hand(tmp_path: Path) -> None:
    """Each byte as the specifications of BSON and of the archive format say."""
    an_id = bytes(range(12))
    document = b"\x16\0\0\0\x07_id\0" + an_id + b"\0"
    say_db, say_name = b"\x02db\0\x02\0\0\0d\0", b"\x02collection\0\x06\0\0\0users\0"
    told = b"\x25\0\0\0" + say_db + say_name + b"\0"
    said = say_db + say_name + b"\x08EOF\0"
    begins, ends = (
        b"\x38\0\0\0" + said + flag + b"\x12CRC\0" + bytes(8) + b"\0" for flag in (b"\0", b"\1")
    )
    path = tmp_path / "by-hand"
    path.write_bytes(
        b"\x6d\xe2\x99\x81"
        + b"\x05\0\0\0\0"
        + told
        + TERMINATOR
        + (begins + document * 2 + TERMINATOR)
        + (begins + document + TERMINATOR)
        + (ends + TERMINATOR)
    )
    dump = open_dump(path)
    assert dump.collections == ("users",)
    assert ids_in(dump, "users") == [ObjectId(an_id)] * 3


@pytest.mark.parametrize("length", [0, 4, -1, LARGEST + 1])
def test_a_length_that_is_none(length: int, tmp_path: Path) -> None:
    good = mongodumps.encoded(mongodumps.user("ada"))
    bad = length.to_bytes(4, "little", signed=True) + bytes(100)
    path = mongodumps.folder(tmp_path / "eve", {"users": [good, bad]})
    found = open_dump(path).documents("users", lambda _: None)
    assert next(found).raw == good
    with pytest.raises(DamagedDump, match=rf"eve/users.bson, byte {len(good)}: {length} is no"):
        next(found)


def test_a_document_without_its_end(tmp_path: Path) -> None:
    good = mongodumps.encoded(mongodumps.user("ada"))
    path = mongodumps.folder(tmp_path / "eve", {"users": [good[:-1] + b"\1"]})
    with pytest.raises(DamagedDump, match="does not end"):
        ids_in(open_dump(path), "users")


@pytest.mark.parametrize("packed", [False, True])
def test_files_that_are_cut_off_give_what_they_have(packed: bool, tmp_path: Path) -> None:
    users = [mongodumps.encoded(mongodumps.user(f"user{number}")) for number in range(5)]
    path = mongodumps.folder(tmp_path / "eve", {"users": users}, packed=packed)
    (name,) = path.glob("users.bson*")
    name.write_bytes(name.read_bytes()[:-9])
    found: list[bytes] = []
    with pytest.raises(DamagedDump, match=rf"eve/{name.name}, byte \d+: "):
        found.extend(each.raw for each in open_dump(path).documents("users", lambda _: None))
    assert found == users[: len(found)]


def test_packed_bytes_that_are_damaged(tmp_path: Path) -> None:
    path = mongodumps.folder(tmp_path / "eve", {"users": [mongodumps.user("ada")]}, packed=True)
    packed = bytearray((path / "users.bson.gz").read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    (path / "users.bson.gz").write_bytes(packed)
    with pytest.raises(DamagedDump, match="gzip"):
        ids_in(open_dump(path), "users")


def test_a_collection_without_its_end_is_not_whole(tmp_path: Path) -> None:
    content = mongodumps.archive({"users": [mongodumps.user("ada")]})
    end = mongodumps.header("eve", "users", ends=True) + TERMINATOR
    path = tmp_path / "archive"
    path.write_bytes(content.removesuffix(end))
    with pytest.raises(DamagedDump, match="before the collection users does"):
        ids_in(open_dump(path), "users")


WHOLE = mongodumps.archive(STUDIO)


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_an_archive_cut_off_anywhere_is_damaged(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut"
    path.write_bytes(WHOLE[:cut])
    with pytest.raises(DamagedDump):
        _read_all(path)


@given(content=st.binary(max_size=300), begins=st.sampled_from([b"", MAGIC, WHOLE[:700]]))
def test_any_bytes_are_read_or_refused(
    content: bytes, begins: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(begins + content)
    with suppress(CellaError):
        _read_all(path)


def _read_all(path: Path) -> None:
    dump = open_dump(path)
    for name in dump.collections:
        for _ in dump.documents(name, lambda _: None):
            pass
