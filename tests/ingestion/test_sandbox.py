"""Hostile bytes: each is refused with its reason, harms nothing else, and the next document is read."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.parse.confine import Limits
from ingestion.parse.document import Reason, Refused
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


def test_an_unreadable_answer_of_a_parser_process_is_not_believed(sandbox: Sandbox) -> None:
    ending = {"timed_out": False, "signal": 0, "status": 0, "peak_bytes": 0}
    for answer in (b"", b"[]", b'{"filesystem_cut": true, "pieces": [["x", 9, null]]}', b'{"owner": "user:eve"}'):
        with pytest.raises(Refused) as caught:
            sandbox._heard(answer, ending)
        assert caught.value.reason is Reason.CRASHED
    assert sandbox._heard(b'{"filesystem_cut": true, "pieces": [["x", 1, null]]}', ending).pieces


def test_the_parent_loads_no_parser_library() -> None:
    """A library that is not imported cannot be reached by what a document makes it do."""
    code = "import ingestion.parse.sandbox, sys; print({'lxml','docx','pypdfium2','markdown_it'} & set(sys.modules))"
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


def test_the_report_says_what_was_cut(sandbox: Sandbox) -> None:
    sandbox.parse(GOOD, "good.md")
    assert sandbox.isolation is not None


def test_pages_are_numbered_and_lines_put_together(sandbox: Sandbox) -> None:
    long = "The quick brown fox jumps over the lazy dog and then goes on to the end of a line that is broken here. "
    parsed = sandbox.parse(pdf("First page.", long * 3), "pages.pdf")
    assert [(block.page, block.text) for block in parsed.blocks] == [(1, "First page."), (2, (long * 3).strip())]
