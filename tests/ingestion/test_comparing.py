"""`documents diff` shows what changed, of what the person may read, and nothing that tells of the rest."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.comparing import Comparison, compare, readable_lines
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.sources.folder import FolderSource
from policies.rules import Caller, Level, Rule
from policies.store import Edit, PolicyStore
from rag.audit.search import AuditFilter, find_records
from rag.cli import main
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.provisioned import DisabledPersonRow
from rag.errors import NotFound
from tests.ingestion.outcomes import flip_staged
from tests.ingestion.worlds import TENANT, parts_on, write_folder

LABELS = "department: company\nlevel: {}\n"
TEXT = (
    "# Rent\n\nThe rent is {}.\n\n[ringfence level=secret]\n\nThe bribe is {}.\n\n[/ringfence]\n\nIt is due in May.\n"
)
RULES = tuple(
    Rule(subject=f"user:{name}", tenant=TENANT, action="read", department=department, level=level)
    for name, department, level in (
        ("staff", "company", Level.INTERNAL),
        ("boss", "company", Level.SECRET),
        ("stranger", "legal", Level.SECRET),
    )
)


@pytest.fixture
async def parts(database: Database, sandbox: Sandbox, tmp_path: Path) -> IngestionParts:
    """A document in two versions, in which rent and bribe have changed."""
    parts = parts_on(database, sandbox)
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply(TENANT, Edit(add_rules=RULES), author="user:test", reason="start")
    (tmp_path / "docs").mkdir()
    for rent, bribe in ((3, 7), (4, 8)):
        await written(tmp_path, parts, TEXT.format(rent, bribe))
    return parts


async def written(tmp_path: Path, parts: IngestionParts, text: str, level: str = "internal") -> None:
    folder = write_folder(tmp_path / "docs", {"ringfence.yaml": LABELS.format(level), "rent.md": text})
    await ingest(FolderSource(folder, "docs"), TENANT, parts)
    await flip_staged(parts)


async def document(parts: IngestionParts) -> str:
    async with parts.database.reading() as session:
        return (await Documents(session).of_tenant(TENANT))[0].id


async def compared(
    parts: IngestionParts, name: str, older: str | None = None, newer: str | None = None, of: str | None = None
) -> Comparison:
    caller, asked = Caller(TENANT, f"user:{name}"), of or await document(parts)
    return await compare(parts.database, caller, asked, older=older, newer=newer, author="operator:root")


def changed(found: Comparison) -> list[str]:
    return [line for line in found.lines[3:] if line[0] in "+-"]


async def test_each_sees_the_changes_of_what_she_may_read(parts: IngestionParts) -> None:
    boss, staff = await compared(parts, "boss"), await compared(parts, "staff")
    assert changed(boss) == ["-The rent is 3.", "-The bribe is 7.", "+The rent is 4.", "+The bribe is 8."]
    assert changed(staff) == ["-The rent is 3.", "+The rent is 4."]
    assert staff.lines[-1] == " It is due in May.", "as if nothing stood between"
    backwards = await compared(parts, "staff", older=staff.newer, newer=staff.older)
    assert changed(backwards) == ["-The rent is 4.", "+The rent is 3."]


async def test_who_may_not_read_it_is_told_what_she_is_told_of_nothing(parts: IngestionParts) -> None:
    refused = []
    for of in (None, "doc_none"):
        with pytest.raises(NotFound) as caught:
            await compared(parts, "stranger", of=of)
        refused.append(caught.value.message)
    assert len(set(refused)) == 1
    async with parts.database.unit_of_work() as session:
        found = await find_records(session, TENANT, AuditFilter(kind="comparison_refused", denied=True), limit=9)
        assert len(found) == 2
        session.add(DisabledPersonRow(tenant=TENANT, person="user:staff", client="assistant:scim", since=found[0].at))
    with pytest.raises(NotFound):
        await compared(parts, "staff")
    assert changed(await compared(parts, "boss")), "who is not disabled"


async def test_it_is_recorded_before_it_is_shown(parts: IngestionParts) -> None:
    found = await compared(parts, "boss")
    async with parts.database.reading() as session:
        record = (await find_records(session, TENANT, AuditFilter(kind="comparison"), limit=9))[0]
    body = json.loads(record.body)
    assert (body["person"], body["subject"]) == ("user:boss", "operator:root")
    assert (body["older"], body["newer"]) == (found.older, found.newer)


async def test_versions_withdrawn_for_new_labels_are_shown_to_nobody(parts: IngestionParts, tmp_path: Path) -> None:
    before = await compared(parts, "boss")
    await written(tmp_path, parts, TEXT.format(5, 9), level="confidential")
    found = await compared(parts, "boss")
    assert found.older is None
    assert "3" not in "".join(found.lines[3:])
    assert changed(found) == ["+The rent is 5.", "+The bribe is 9.", "+It is due in May."]
    with pytest.raises(NotFound, match="withdrawn"):
        await compared(parts, "boss", older=before.older)
    with pytest.raises(NotFound, match="no such document"):
        await compared(parts, "staff")


async def test_the_command_prints_a_unified_diff(
    parts: IngestionParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path))
    command = ("documents", "diff", await document(parts), "--tenant", TENANT, "--as")
    assert await asyncio.to_thread(main, (*command, "staff")) == 0
    printed = capsys.readouterr().out
    assert "+The rent is 4." in printed
    assert "bribe" not in printed
    assert await asyncio.to_thread(main, (*command, "stranger")) == 1
    assert await asyncio.to_thread(main, (*command, "no body")) == 2
    assert capsys.readouterr().out == ""


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ab \n"), st.booleans()), max_size=40))
def test_no_character_outside_the_spans_is_shown_and_every_visible_one_inside_is(text: list[tuple[str, bool]]) -> None:
    """Spans are the runs of `True`; what is readable is upper case, so that it can be told from what is not."""
    whole = "".join(char.upper() if inside else char for char, inside in text)
    inside = [at for at, (_, readable) in enumerate(text) if readable]
    shown = "".join(readable_lines(whole, [(at, at + 1) for at in inside]))
    assert not any(char.islower() for char in shown)
    assert [char for char in shown if char.isupper()] == [whole[at] for at in inside if whole[at].isupper()]
