"""A file proves by itself what it holds: any single edit of it is found, and the unedited one verifies."""

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from rag.audit.chain import AuditRef, Break
from rag.audit.export import verify_export
from rag.audit.ocsf import event_of, plain_line
from rag.db.engine import Database, open_database
from rag.errors import Damaged, NotFound
from tests.audit.signers import KEYS, STRANGER, exported, filled, sealed


def a_file() -> list[bytes]:
    """Eight records under three checkpoints, the last of them not full: lines 5, 9 and 12 of twelve."""

    async def made() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            database = await open_database(f"sqlite+aiosqlite:///{Path(folder) / 'ringfence.db'}")
            await filled(database, 8)
            await sealed(database)
            lines = await exported(database)
            await database.close()
        return lines

    return asyncio.run(made())


FILE = a_file()
EVENTS = [f"{event_of(line.decode().strip())}\n".encode() for line in FILE]


def test_the_unedited_file_verifies_in_both_forms() -> None:
    for lines in (FILE, [plain_line(event) for event in EVENTS]):
        result = verify_export(lines, KEYS)
        assert (result.intact, result.tenant, result.checked, result.checkpoints) == (True, "acme", 8, 3)
    assert [plain_line(line) for line in FILE] == FILE


lines_of_the_file = st.integers(0, len(FILE) - 1)


@given(st.data())
def test_any_changed_inserted_or_removed_byte_is_found(data: st.DataObject) -> None:
    for lines, plain in ((FILE, bytes), (EVENTS, plain_line)):
        whole = b"".join(lines)
        at = data.draw(st.integers(0, len(whole) - 1))
        byte = bytes([data.draw(st.integers(0, 255))])
        edits = {whole[:at] + byte + whole[at + 1 :], whole[:at] + byte + whole[at:], whole[:at] + whole[at + 1 :]}
        for edited in edits - {whole}:
            assert not verify_export(map(plain, edited.splitlines(keepends=True)), KEYS).intact


@given(lines_of_the_file)
def test_a_removed_line_is_found_and_named(at: int) -> None:
    result = verify_export(FILE[:at] + FILE[at + 1 :], KEYS)
    assert not result.intact
    line = json.loads(FILE[at])
    if "sequence" in line:
        assert Break(line["sequence"], "missing") in result.breaks
    elif "number" in line:
        assert Break(line["number"], "missing", "checkpoint") in result.breaks
    else:
        assert result.breaks[0] == Break(1, "unreadable", "line")


@given(st.integers(0, len(FILE) - 1))
def test_a_file_that_was_cut_off_is_found(length: int) -> None:
    assert not verify_export(FILE[:length], KEYS).intact


@given(lines_of_the_file, lines_of_the_file)
def test_moved_and_repeated_lines_are_found(source: int, target: int) -> None:
    repeated = [*FILE[:target], FILE[source], *FILE[target:]]
    assert not verify_export(repeated, KEYS).intact
    rest = FILE[:source] + FILE[source + 1 :]
    moved = [*rest[:target], FILE[source], *rest[target:]]
    assert verify_export(moved, KEYS).intact is (moved == FILE)


@given(
    st.sampled_from([at for at, line in enumerate(FILE) if b'"sequence"' in line]),
    st.sampled_from(["at", "body", "kind", "sequence", "tenant"]),
)
def test_an_edited_field_names_its_record(at: int, name: str) -> None:
    fields = json.loads(FILE[at])
    other = {"at": "2020-01-01T00:00:00.000000+00:00", "body": {}, "kind": "denied", "sequence": 77, "tenant": "globex"}
    fields[name] = other[name]
    line = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    result = verify_export([*FILE[:at], line, *FILE[at + 1 :]], KEYS)
    assert Break(fields["sequence"], "edited") in result.breaks


@pytest.mark.parametrize("spelling", ["spaces", "key twice", "same moment", "escape"])
def test_another_spelling_of_the_same_record_is_found(spelling: str) -> None:
    line = FILE[1].decode()
    other = {
        "spaces": line.replace('":', '": ', 1),
        "key twice": line.replace("{", '{"at":"x",', 1),
        "same moment": line.replace("+00:00", "Z"),
        "escape": line.replace("acme", "\\u0061cme"),
    }[spelling]
    assert other != line
    assert Break(2, "unreadable", "line") in verify_export([FILE[0], other.encode(), *FILE[2:]], KEYS).breaks


def test_a_file_of_another_key_is_refused() -> None:
    assert verify_export(FILE, {STRANGER.public_key}).breaks[0] == Break(1, "other_key", "line")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b'{"format":1}\n', b"[" * 5000 + b"\n"]
)
def test_what_is_no_log_is_said_to_be_none(content: bytes) -> None:
    assert verify_export(content.splitlines(keepends=True), KEYS).breaks[0].what == "line"


async def test_who_kept_a_head_sees_an_older_file_for_what_it_is(database: Database) -> None:
    refs = await filled(database, 3)
    old = await exported(database)
    refs += await filled(database, 3)
    new = await exported(database)
    assert verify_export(old, KEYS, expected=refs[2]).intact
    assert verify_export(new, KEYS, expected=refs[5]).intact
    assert verify_export(old, KEYS, expected=refs[5]).breaks == (Break(6, "head_differs"),)
    assert verify_export(new, KEYS, expected=AuditRef(3, "0" * 64)).breaks == (Break(3, "head_differs"),)


async def test_a_file_holds_what_checkpoints_cover_and_no_more(database: Database) -> None:
    await filled(database, 2)
    with pytest.raises(NotFound):
        await exported(database)
    await filled(database, 2)
    result = verify_export(await exported(database), KEYS)
    assert (result.intact, result.checked) == (True, 3)


async def test_a_record_that_is_damaged_is_named_and_one_that_was_edited_is_exported_as_it_is(
    database: Database,
) -> None:
    """The file must show the edit; only what is no record at all cannot stand in one."""
    await filled(database, 3)
    await _set_body(database, "{}")
    assert Break(2, "edited") in verify_export(await exported(database), KEYS).breaks
    await _set_body(database, "no JSON")
    with pytest.raises(Damaged, match="Record 2"):
        await exported(database)


async def _set_body(database: Database, body: str) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE audit_record SET body=:b WHERE sequence=2"), {"b": body})


def test_an_event_says_who_did_what_to_which_document() -> None:
    event, line = json.loads(EVENTS[1]), json.loads(FILE[1])
    assert (event["class_uid"], event["category_uid"], event["type_uid"]) == (6003, 6, 600302)
    assert event["actor"] == {"user": {"uid": "user:ann"}}
    assert event["resources"] == [{"uid": "doc_" + "0" * 32, "type": "document"}]
    assert event["metadata"]["uid"] == line["digest"]
    assert datetime.fromtimestamp(event["time"] / 1000, UTC).isoformat()[:19] == line["at"][:19]
    assert {"severity_id", "api", "src_endpoint", "activity_id", "metadata"} <= event.keys()
