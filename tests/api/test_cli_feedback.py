"""`ringfence feedback`: the operator looks at it, decides, hands the cases out, and forgets who asks for it."""

import asyncio
import json
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.cases import read_cases
from policies.rules import Attributes, Level
from policies.tenancy import within
from rag.audit.log import AuditLog
from rag.db.engine import open_database
from rag.db.feedback import FeedbackRow, FeedbackState
from rag.errors import Misuse
from tests.api.administered import document_row
from tests.api.test_cli import run

TENANT = ("--tenant", "acme")
QUESTION = "How long is the leave of <PERSON_8K2MAB3C4D5E6F7G>?"
SHOWN = {"document": "doc_leave", "version": "ver_1", "chunk": "chk_1"}
OTHER = {"document": "doc_other", "version": "ver_2", "chunk": "chk_2"}


@pytest.fixture
def data_dir(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two answers of ann's, and what she said about them."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(migrated_file, folder / "ringfence.db")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(folder))

    async def fill() -> None:
        database = await open_database(f"sqlite+aiosqlite:///{folder / 'ringfence.db'}")
        who = {"person": "user:ann", "assistant": None}
        async with database.unit_of_work() as session:
            session.add(document_row(Attributes("acme", "doc_leave", "hr", Level.INTERNAL)))
            for answer, question in (("ans_good", QUESTION), ("ans_mute", "")):
                asked = who | {"answer": answer, "question": "0" * 64, "considered": [SHOWN, OTHER]}
                await AuditLog().append(session, "acme", "question", asked)
                given = who | {"answer": answer, "found": True, "shown": [SHOWN]}
                record = await AuditLog().append(session, "acme", "answer", given)
                session.add(
                    FeedbackRow(
                        tenant="acme", answer=answer, record=record.sequence, person="user:ann", verdict="up",
                        reason="correct", comment="", question=question, state=FeedbackState.NEW, expected=None,
                        given_at=datetime.now(UTC), reviewed_by=None, reviewed_at=None,
                    )
                )  # fmt: skip
        await database.close()

    with within("acme"):
        asyncio.run(fill())
    return folder


@pytest.mark.usefixtures("data_dir")
def test_accepted_feedback_leaves_as_a_case_that_the_evals_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert "ans_good" in run(capsys, "feedback", "list", *TENANT), "whole, to be copied"
    listed = run(capsys, "feedback", "list", *TENANT, "--json")
    assert {one["answer"]: one["has_question"] for one in json.loads(listed)} == {"ans_good": True, "ans_mute": False}
    assert "leave" not in listed
    assert QUESTION in run(capsys, "feedback", "show", "ans_good", *TENANT)
    assert "doc_leave" in run(capsys, "feedback", "accept", "ans_good", *TENANT)
    run(capsys, "feedback", "accept", "ans_mute", *TENANT, expect=2)
    file = tmp_path / "cases.jsonl"
    run(capsys, "feedback", "export", *TENANT, "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (case,) = read_cases(file)
    assert (case.id, case.person, case.question) == ("ans_good", "user:ann", QUESTION)
    assert (case.expected.positive_documents, case.expected.positive_chunks) == (("doc_leave",), ("chk_1",))
    assert case.expected.negative_chunks == ("chk_2",)
    kinds = [one["kind"] for one in json.loads(run(capsys, "audit", "show", *TENANT, "--json"))]
    assert kinds[-2:] == ["feedback_reviewed", "feedback_exported"]


@pytest.mark.usefixtures("data_dir")
def test_what_is_rejected_or_forgotten_is_no_case_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "feedback", "accept", "ans_good", *TENANT)
    assert QUESTION in run(capsys, "feedback", "export", *TENANT)
    run(capsys, "feedback", "reject", "ans_good", *TENANT)
    assert run(capsys, "feedback", "export", *TENANT) == ""
    assert "leave" not in run(capsys, "feedback", "show", "ans_good", *TENANT)
    assert run(capsys, "feedback", "forget", "--person", "ann", *TENANT) == "2 removed.\n"
    assert json.loads(run(capsys, "feedback", "list", *TENANT, "--json")) == []
    run(capsys, "feedback", "show", "ans_good", *TENANT, expect=1)


def test_a_file_that_holds_something_else_is_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"question": "secret words"}\n')
    with pytest.raises(Misuse, match="Line 1") as refused:
        read_cases(file)
    assert "secret" not in refused.value.message
