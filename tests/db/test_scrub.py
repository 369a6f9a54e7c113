"""Deleted bytes leave the files even where a process deleted them without overwriting."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from rag.db import scrub as scrubbing
from rag.db.scrub import scrub

ROWS = {number: hashlib.sha512(str(number).encode()).digest() for number in range(400)}


def made(path: Path) -> None:
    """A table from which every third row was deleted carelessly."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, sealed BLOB)")
        connection.executemany("INSERT INTO kept VALUES (?, ?)", ROWS.items())
        connection.execute("DELETE FROM kept WHERE id % 3 = 0")
        connection.commit()


async def test_a_file_that_still_holds_deleted_bytes_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "careless.db"
    made(path)
    deleted = [row for number, row in ROWS.items() if number % 3 == 0]
    assert sum(row in path.read_bytes() for row in deleted) > 100
    assert await scrub(f"sqlite+aiosqlite:///{path}", "kept", deleted)
    stored = path.read_bytes()
    assert not [row for row in deleted if row in stored]
    assert all(row in stored for number, row in ROWS.items() if number % 3)


def test_bytes_are_found_across_the_pieces_that_a_file_is_read_in(tmp_path: Path) -> None:
    path, wanted = tmp_path / "file", b"0123456789" * 2 + b"abcd"
    for place in range(0, 80, 3):
        path.write_bytes(b"." * place + wanted + b"." * 50)
        assert scrubbing.file_holds(path, [wanted], piece_bytes=32)
    path.write_bytes(b"." * 200)
    assert not scrubbing.file_holds(path, [wanted], piece_bytes=32)
