"""Bytes to a child and back, at the same time and within limits."""

import os
import selectors
import time
from contextlib import ExitStack
from io import FileIO

from ingestion.parse.document import Reason, Refused


def pipe(stack: ExitStack) -> tuple[FileIO, FileIO]:
    """Read end and write end."""
    reading, writing = os.pipe()
    return stack.enter_context(FileIO(reading, "rb")), stack.enter_context(FileIO(writing, "wb"))


def exchange(to_child: FileIO | None, data: bytes, from_child: FileIO, bytes_max: int, deadline: float) -> bytes:
    """Write `data` and read the answer at the same time, so that neither side waits for the other for ever.

    Raises:
        Refused: too_much_text, or timed_out when the child holds its end open past the deadline.
    """
    os.set_blocking(from_child.fileno(), False)
    rest = memoryview(data)
    answer = bytearray()
    with selectors.DefaultSelector() as waiting:
        if to_child is not None:
            os.set_blocking(to_child.fileno(), False)
            waiting.register(to_child, selectors.EVENT_WRITE)
        waiting.register(from_child, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in waiting.select(max(0.0, deadline - time.monotonic()))]
            if not ready:
                raise Refused(Reason.TIMED_OUT)
            if from_child in ready:
                piece = from_child.read(1 << 20)
                answer += piece or b""
                if piece == b"":
                    return bytes(answer)
                if len(answer) > bytes_max:
                    raise Refused(Reason.TOO_MUCH_TEXT)
            if to_child is not None and to_child in ready:
                try:
                    rest = rest[to_child.write(rest[: 1 << 20]) or 0 :]
                except BrokenPipeError:
                    rest = rest[:0]  # the child ended without reading all; its answer says why
                if not rest:
                    waiting.unregister(to_child)
                    to_child.close()
