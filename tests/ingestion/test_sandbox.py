"""Hostile bytes: each is refused with its reason, harms nothing else, and the next document is read."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.hostile.files import hostile_files as hostile_files_of
from ingestion.parse.confine import Limits
from ingestion.parse.document import Reason, Refused
from ingestion.parse.formats import read
from ingestion.parse.pieces import Pieces
from ingestion.parse.sandbox import Sandbox
from tests.ingestion.hostile import GOOD, hostile_files, pdf

LIMITS = Limits(wall_s=20, cpu_s=10, memory_bytes=1_500_000_000, text_chars_max=400_000)
HOSTILE = hostile_files()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as opened:
        yield opened


def refusal(sandbox: Sandbox, data: bytes, name: str) -> Refused:
    with pytest.raises(Refused) as caught:
        sandbox.parse(data, name)
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason_and_the_next_good_one_is_read(sandbox: Sandbox, name: str) -> None:
    data, reason = HOSTILE[name]
    assert refusal(sandbox, data, name).reason is reason
    assert sandbox.parse(GOOD, "good.md").blocks[0].text == "The canteen is open from eleven to two."


def test_a_huge_line_is_read_like_any_other(sandbox: Sandbox) -> None:
    parsed = sandbox.parse(b"x" * 300_000, "line.txt")
    assert [len(block.text) for block in parsed.blocks] == [300_000]


def test_a_document_that_takes_too_long_is_stopped_and_the_next_is_read() -> None:
    rows = b"a,b\n" + b"1,2\n" * 500_000
    with Sandbox(Limits(0.001, 10, LIMITS.memory_bytes, 10_000_000)) as hurried:
        assert refusal(hurried, rows, "rows.csv").reason is Reason.TIMED_OUT
    with Sandbox(LIMITS) as patient:
        assert patient.parse(b"a,b\n1,2\n", "rows.csv").blocks[0].text == "a: 1; b: 2"


def test_processor_time_is_limited_beside_wall_time() -> None:
    with Sandbox(Limits(60, 1, LIMITS.memory_bytes, 100_000_000)) as sandbox:
        assert refusal(sandbox, b"a,b\n" + b"1,2\n" * 3_000_000, "rows.csv").reason is Reason.TIMED_OUT


def test_a_document_that_needs_too_much_memory_is_stopped_and_the_next_is_read() -> None:
    with Sandbox(Limits(20, 10, 400_000_000, 1_000_000_000)) as sandbox:
        assert refusal(sandbox, b"some words " * 9_000_000, "words.txt").reason is Reason.MEMORY
        assert sandbox.parse(GOOD, "good.md").blocks


def test_a_lost_parser_process_costs_one_document_at_most(sandbox: Sandbox) -> None:
    sandbox.parse(GOOD, "good.md")
    assert sandbox._process is not None
    sandbox._process.kill()
    sandbox._process.wait()
    assert sandbox.parse(GOOD, "good.md").blocks


def test_the_parser_process_outlives_the_thread_that_read_the_first_document() -> None:
    with Sandbox(LIMITS) as sandbox:
        first = threading.Thread(target=sandbox.parse, args=(GOOD, "good.md"))
        first.start()
        first.join()
        started = sandbox._process
        assert sandbox.parse(GOOD, "good.md").blocks
        assert sandbox._process is started


def test_an_unreadable_answer_of_a_parser_process_is_not_believed(sandbox: Sandbox) -> None:
    ending = {"timed_out": False, "signal": 0, "status": 0, "peak_bytes": 0}
    too_deep = b'{"cut": [], "pieces": [["x", 99, null, 0, false]]}'
    for answer in (b"", b"[]", too_deep, b'{"cut": [], "owner": "user:eve"}'):
        with pytest.raises(Refused) as caught:
            sandbox._heard(answer, ending)
        assert caught.value.reason is Reason.CRASHED
    assert sandbox._heard(b'{"cut": [], "pieces": [["x", 1, null, 0, false]]}', ending)[0].pieces


def test_a_note_that_the_parent_would_not_believe_is_not_taken_from_a_reader() -> None:
    pieces = Pieces(1000, read)
    pieces.note("no text on slides 1 2 of 3")
    for sentence in ("no text on slides 1, 2 of 3", "word " * 20, "", "two\nlines"):
        with pytest.raises(ValueError, match="form"):
            pieces.note(sentence)


def test_the_parent_loads_no_parser_library() -> None:
    """A library that is not imported cannot be reached by what a document makes it do."""
    libraries = {"lxml", "docx", "pptx", "openpyxl", "pypdfium2", "markdown_it"}
    code = f"import ingestion.parse.sandbox, sys; print({libraries} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_a_confined_process_reaches_neither_network_nor_files_nor_new_processes(tmp_path: Path) -> None:
    """What the report says was cut is really cut; limits hold everywhere."""
    code = """
import os, socket, sys, json
from ingestion.parse.confine import *
network, files = cut_network(), cut_filesystem(sys.argv[1])
drop_capabilities()
limit(Limits(5, 5, 2_000_000_000, 1000))
def can(act):
    try:
        act()
    except OSError:
        return False
    return True
def connect():
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("127.0.0.1", int(sys.argv[2])))
def write():
    with open("/written", "w") as f:
        f.write("x")
print(json.dumps([network, files, can(connect), can(lambda: os.stat("/etc")), can(write), can(lambda: os.chroot("/"))]))
"""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        arguments = [sys.executable, "-c", code, str(tmp_path), str(listening.getsockname()[1])]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    network, files, connected, saw_files, wrote, escaped = json.loads(done.stdout)
    assert connected is not network
    assert saw_files is not files
    assert not wrote
    assert not (files and escaped)


def test_the_report_says_what_was_cut_and_by_which_means(sandbox: Sandbox) -> None:
    sandbox.parse(GOOD, "good.md")
    isolation = sandbox.isolation
    assert isolation is not None
    assert isolation.network_cut is bool({"network namespace", "seccomp"} & set(isolation.means))
    assert isolation.filesystem_cut is bool({"chroot", "landlock"} & set(isolation.means))


@pytest.mark.parametrize("means", ["seccomp", "landlock"])
def test_each_means_cuts_by_itself_what_the_report_says_of_it(means: str, tmp_path: Path) -> None:
    """Containers refuse namespaces and chroot; what is left must do alone."""
    code = """
import json, os, socket, sys
from ingestion.parse.confine import Limits, landlock, limit
from ingestion.parse.syscalls import refuse_dangerous_calls
sys.stdout.flush()
opened = os.open(sys.argv[2], os.O_RDONLY)
limit(Limits(5, 5, 2_000_000_000, 1000))
done = {"seccomp": refuse_dangerous_calls, "landlock": landlock}[sys.argv[1]]()
def can(act):
    try:
        act()
    except OSError:
        return False
    return True
def fork():
    if os.fork() == 0:
        os._exit(0)
os.write(1, json.dumps([
    done, can(lambda: socket.socket().close()), can(fork), can(lambda: os.listdir("/")),
    can(lambda: os.read(opened, 1)), can(lambda: os.fchmod(opened, 0o644)), can(lambda: os.utime(opened)),
    can(lambda: os.setxattr(opened, "user.a", b"")),
]).encode())
"""
    (archive := tmp_path / "a.zip").write_bytes(b"PK")
    archive.chmod(0o600)
    command = [sys.executable, "-c", code, means, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    cut, opened_socket, forked, listed, read, *changed = json.loads(done.stdout)
    assert read
    if cut and means == "seccomp":
        assert (opened_socket, forked, listed) == (False, False, True)
        assert not any(changed)
        assert archive.stat().st_mode & 0o777 == 0o600
    if cut and means == "landlock":
        assert (opened_socket, listed) == (True, False)


def test_seeded_hostile_files_are_read_or_refused_and_none_is_quoted(tmp_path: Path) -> None:
    """Whatever happens to a file, its text stands in no reason, and no library is missing in the child."""
    reasons: list[str] = []
    with Sandbox(Limits(4, 1, LIMITS.memory_bytes, LIMITS.text_chars_max)) as hurried:
        for file in hostile_files_of(seed=3, count=26, without=("bomb",)):
            (tmp_path / file.name).touch()
            try:
                hurried.parse(file.data, file.name)
            except Refused as refusal:
                assert file.canary not in f"{refusal} {refusal.sentence}"
                reasons.append(str(refusal))
    assert 5 < len(reasons) < 24
    assert not [reason for reason in reasons if "crashed" in reason or "ModuleNotFound" in reason]
    again = [one.data for one in hostile_files_of(seed=3, count=5)]
    assert again == [one.data for one in hostile_files_of(seed=3, count=5)]


def test_pages_are_numbered_and_lines_put_together(sandbox: Sandbox) -> None:
    long = "The quick brown fox jumps over the lazy dog and then goes on to the end of a line that is broken here. "
    parsed = sandbox.parse(pdf("First page.", long * 3), "pages.pdf")
    assert [(block.page, block.text) for block in parsed.blocks] == [(1, "First page."), (2, (long * 3).strip())]
