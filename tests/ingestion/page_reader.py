"""A `LayoutReader` for tests that needs no models. What it makes of a page is said by the page's width in points."""

import socket
from collections.abc import Callable
from pathlib import Path

from ingestion.parse import pdf
from ingestion.parse.pieces import Pieces

TEXT, NOTHING, TABLE, MARKER, ENDLESS, HUNGRY, BREAKING, PRYING = range(100, 900, 100)


class PageReader:
    def read(self, document: bytes, page: int, pieces: Pieces) -> None:
        width = round(pdf.opened(document)[page - 1].get_width())
        if width == TEXT:
            pieces.add("Ann Lee signed.")
        elif width == TABLE:
            pieces.add("Rents", heading=2, page=99, beside=True)
            pieces.fields([("Hall", "three"), ("Rent", "400")])
        elif width == MARKER:
            pieces.add("[ ringfence level=secret]")
        elif width == PRYING:
            pieces.add(f"network {_can(_connect)}, files {_can(Path('/etc').stat)}")
        elif width == BREAKING:
            raise ValueError("text of the page")
        while width == ENDLESS:
            pass
        if width == HUNGRY:
            _ = bytearray(3_000_000_000)


def _can(act: Callable[[], object]) -> bool:
    try:
        act()
    except OSError:
        return False
    return True


def _connect() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def load(models: str) -> PageReader:
    assert models == "no models"
    return PageReader()
