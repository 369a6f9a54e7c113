"""`sources.yaml`: each kind opens, and what would quietly do something else is refused with its place."""

import json
from pathlib import Path

import pytest

from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.git import GitSource
from ingestion.sources.http_service import HttpSource
from ingestion.sources.imap import ImapSource
from ingestion.sources.mbox import MboxSource
from ingestion.sources.posix_folder import PosixFolderSource
from ingestion.sources.s3 import S3Source
from rag.cli import main
from rag.errors import Misuse

LABELS = "labels: {department: hr, level: internal}"
MAIL = "host: mail.acme.example\n    user: archive\n    password: {env: A_KEY}"
WIKI = f"url: https://x.example\n    token: {{env: A_KEY}}\n    {LABELS}"
KINDS = {
    "folder": (FolderSource, "path: FOLDER"),
    "posix": (PosixFolderSource, 'path: FOLDER\n    identities: {users: {"1001": user:ann}}'),
    "git": (GitSource, f"path: FOLDER\n    reference: main\n    {LABELS}"),
    "s3": (
        S3Source,
        f"bucket: b\n    region: eu-west-1\n    access_key: {{env: A_KEY}}\n    secret_key: {{file: FOLDER/secret}}\n"
        f"    endpoint_url: http://127.0.0.1:9\n    {LABELS}",
    ),
    "imap": (
        ImapSource,
        f"host: mail.acme.example\n    user: archive\n    password: {{file: FOLDER/secret}}\n"
        f"    mailboxes: [Board, HR/Cases]\n    {LABELS}",
    ),
    "mbox": (MboxSource, f"path: FOLDER/archive.mbox\n    {LABELS}"),
    "http": (HttpSource, f"url: https://wiki.acme.example/documents/\n    token: {{env: A_KEY}}\n    {LABELS}"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("A_KEY", "AKIA-not-to-be-shown")
    (tmp_path / "secret").write_text("not-to-be-shown\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    file = folder / "sources.yaml"
    file.write_text(text.replace("FOLDER", str(folder)))
    return file


def entry(kind: str, fields: str) -> str:
    return f"sources:\n  one:\n    kind: {kind}\n    {fields}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_opens_under_its_name_and_shows_no_secret(folder: Path, kind: str) -> None:
    shape, fields = KINDS[kind]
    source = open_source(written(folder, entry(kind, fields)), "one")
    assert isinstance(source, shape)
    assert source.name == "one"
    assert "not-to-be-shown" not in repr(source) + repr(vars(source))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sources: {}", "has no source 'one'"),
        ("source: {}", "sources: is missing"),
        (entry("ftp", "path: x"), "kind 'ftp' is unknown; known: 'folder'"),
        (entry("folder", "path: FOLDER\n    follow: links"), "follow"),
        (entry("folder", "path: FOLDER\n    path: /other"), "twice"),
        (entry("posix", "path: FOLDER\n    identities: {users: {ann: user:ann}}"), "'ann' is no uid or gid"),
        (entry("posix", "path: FOLDER\n    identities: {users: {1001: user:ann}}"), "quotes"),
        (entry("posix", 'path: FOLDER\n    identities: {}\n    everybody: "100"'), "everybody"),
        (entry("posix", "path: FOLDER"), "identities"),
        (entry("s3", f"bucket: b\n    access_key: {{env: A_KEY}}\n    {LABELS}"), "go together"),
        (entry("s3", f"bucket: b\n    endpoint_url: http://10.0.0.1\n    {LABELS}"), "in the clear"),
        (entry("s3", "bucket: b"), "labels"),
        (entry("imap", f"{MAIL}\n    mailboxes: ['a\"b']\n    {LABELS}"), "no name of a mailbox"),
        (entry("imap", f"{MAIL}\n    mailboxes: [../x]\n    {LABELS}"), "no name of a mailbox"),
        (entry("imap", f"{MAIL}\n    mailboxes: [A, A]\n    {LABELS}"), "twice"),
        (entry("imap", f"{MAIL}\n    transport: starttls\n    {LABELS}"), "transport"),
        (
            entry("http", f"url: https://x.example\n    token: s3cret\n    {LABELS}"),
            "is never written here: say {env",
        ),
        (entry("http", f"url: https://x.example\n    token: {{env: NOT_SET}}\n    {LABELS}"), "NOT_SET"),
        (entry("http", f"url: https://x.example\n    token: {{}}\n    {LABELS}"), "env or file"),
        (entry("http", f"{WIKI}\n    identities: {{users: {{x: user:x}}, groups: {{x: group:x}}}}"), "one of them"),
        (entry("http", f"{WIKI}\n    identities: {{users: {{x: user:ann, y: user:ann}}}}"), "same"),
        (entry("http", f"url: https://u:p@x.example\n    token: {{env: A_KEY}}\n    {LABELS}"), "no"),
        (entry("http", f"url: http://x.example\n    token: {{env: A_KEY}}\n    {LABELS}"), "transport: plain"),
        (entry("http", "url: https://x.example\n    token: {env: A_KEY}\n    labels: {level: cosmic}"), "level"),
    ],
)
def test_a_slip_is_refused_with_its_place_and_shows_no_value_of_a_secret(folder: Path, text: str, named: str) -> None:
    file = written(folder, text)
    with pytest.raises(Misuse) as refused:
        open_source(file, "one")
    assert named in refused.value.message
    assert "s3cret" not in refused.value.message
    assert refused.value.exit_code == 2


def test_plain_http_is_taken_where_it_is_said(folder: Path) -> None:
    fields = f"url: http://x.example\n    transport: plain\n    token: {{env: A_KEY}}\n    {LABELS}"
    assert open_source(written(folder, entry("http", fields)), "one").name == "one"


def test_the_command_reads_a_source_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(folder / "data"))
    (folder / "docs").mkdir()
    (folder / "docs/ringfence.yaml").write_text("department: hr\nlevel: internal\n")
    (folder / "docs/a.txt").write_text("Alpha is here.")
    file = written(folder, entry("folder", "path: FOLDER/docs"))
    asked = ["ingest", "one", "--sources", str(file), "--tenant", "acme", "--json"]
    assert main([*asked, "--dry-run"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["source"], report["counts"]["new"]) == ("one", 1)
    assert main([*asked, "--source", "two"]) == 2
    assert main(["ingest", "two", "--sources", str(file), "--tenant", "acme"]) == 2
    assert "one" in capsys.readouterr().err
