"""The parent's side of parsing: starts the zygote, sends bytes, reads what comes back, believes nothing of it."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.parse.confine import MESSAGE_BYTES_MAX, Limits
from ingestion.parse.document import Extracted, ParsedDocument, Piece, Reason, Refused
from ingestion.parse.structure import build
from rag.errors import Unavailable

PARSER_VERSION = "1"
"""Part of what a stored version was made by: raise it when the same bytes would give other text."""
START_S = 60.0
GRACE_S = 5.0
"""The zygote kills at the wall-clock limit; this much later the zygote itself is taken for lost."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ingestion.parse.zygote import main; main(int(sys.argv[2]), sys.argv[3])"
)

_Short = Annotated[str, Field(max_length=300)]
_PieceOnWire = tuple[str, Annotated[int, Field(ge=0, le=6)], Annotated[int, Field(ge=1)] | None]


class _OnWire(BaseModel):
    """What a child may say. It has read hostile bytes: it may say anything, so only this is heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filesystem_cut: bool
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")] = ""
    title: _Short = ""
    pieces: tuple[_PieceOnWire, ...] = ()
    notes: Annotated[tuple[Annotated[str, Field(pattern=r"^[\w ]{1,80}$")], ...], Field(max_length=20)] = ()
    reason: Reason | None = None
    detail: Annotated[str, Field(pattern=r"^[ -~]{0,200}$")] = ""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this kernel let us take away. Limits and separate processes hold in any case."""

    network_cut: bool
    filesystem_cut: bool


class Sandbox:
    """Parses documents one at a time, each in a process of its own. Use as a context manager; thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._empty_folder = tempfile.TemporaryDirectory(prefix="ringfence-parse-")
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._network_cut = False
        self._isolation: Isolation | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def isolation(self) -> Isolation | None:
        """Known after the first document that a parser answered for."""
        return self._isolation

    def parse(self, data: bytes, path: str) -> ParsedDocument:
        """Read a document. Of `path` only the ending and, for want of a title, the name matter.

        Raises:
            Refused: it is not to be indexed, and why.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        if not data:
            raise Refused(Reason.EMPTY)
        with self._lock:
            written, ending = self._run(data, PurePosixPath(path).suffix[:16])
        return build(self._heard(written, ending), path)

    def close(self) -> None:
        with self._lock:
            self._stop()
            self._empty_folder.cleanup()

    def _run(self, data: bytes, suffix: str) -> tuple[bytes, Mapping[str, Any]]:
        """What a fresh child wrote, and how it ended."""
        control = self._started()
        request = {
            "suffix": suffix.encode("ascii", "replace").decode(),
            "wall_s": self._limits.wall_s,
            "cpu_s": self._limits.cpu_s,
            "memory_bytes": self._limits.memory_bytes,
            "text_chars_max": self._limits.text_chars_max,
        }
        deadline = time.monotonic() + self._limits.wall_s + GRACE_S
        try:
            with ExitStack() as pipes:
                document_out, document_in = _pipe(pipes)
                result_out, result_in = _pipe(pipes)
                socket.send_fds(control, [json.dumps(request).encode()], [document_out.fileno(), result_in.fileno()])
                # Only the child may hold these ends: the end of its output is how we know that it is done.
                document_out.close()
                result_in.close()
                # JSON writes a character in at most six bytes, and each piece costs a few more.
                written = _exchange(document_in, data, result_out, 8 * self._limits.text_chars_max + 100_000, deadline)
            control.settimeout(max(0.1, deadline - time.monotonic()))
            ending: Mapping[str, Any] = json.loads(control.recv(MESSAGE_BYTES_MAX))
        except (OSError, ValueError):
            self._stop()
            raise Refused(Reason.CRASHED, "the parser process was lost") from None
        except Refused:
            self._stop()
            raise
        return written, ending

    def _heard(self, written: bytes, ending: Mapping[str, Any]) -> Extracted:
        if ending["timed_out"] or ending["signal"] == signal.SIGXCPU:
            raise Refused(Reason.TIMED_OUT)
        if ending["signal"] or ending["status"] != 0:
            # A native library that gets no memory aborts; all that can be seen of it is how much it had.
            starved = ending["status"] == 77 or ending["peak_bytes"] > 0.5 * self._limits.memory_bytes
            raise Refused(Reason.MEMORY if starved else Reason.CRASHED)
        try:
            heard = _OnWire.model_validate_json(written, strict=False)
        except ValidationError:
            raise Refused(Reason.CRASHED, "the parser process answered nonsense") from None
        self._isolation = Isolation(self._network_cut, heard.filesystem_cut)
        if heard.reason is not None:
            raise Refused(heard.reason, heard.detail)
        if sum(len(text) for text, _, _ in heard.pieces) > self._limits.text_chars_max:
            raise Refused(Reason.TOO_MUCH_TEXT)
        pieces = tuple(Piece(text, heading, page) for text, heading, page in heard.pieces)
        return Extracted(heard.media_type, heard.title, pieces, heard.notes)

    def _started(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                _command(theirs.fileno(), self._empty_folder.name),
                env={},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        self._control = ours
        ours.settimeout(START_S)
        try:
            self._network_cut = bool(json.loads(ours.recv(MESSAGE_BYTES_MAX))["network_cut"])
        except (OSError, ValueError) as cause:
            self._stop()
            raise Unavailable(
                "The parser process could not be started, so no document can be read. "
                f"Check that {sys.executable} may start processes and has its packages."
            ) from cause
        return ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _command(control: int, empty_folder: str) -> list[str]:
    """How to start the zygote: isolated from environment and user folders, finding our code where we found it.

    The parser libraries are loaded there and nowhere else: this process never imports them.
    """
    places = [str(Path(place).resolve()) for place in sys.path]
    return [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, json.dumps(places), str(control), empty_folder]


def _pipe(stack: ExitStack) -> tuple[FileIO, FileIO]:
    """Read end and write end."""
    reading, writing = os.pipe()
    return stack.enter_context(FileIO(reading, "rb")), stack.enter_context(FileIO(writing, "wb"))


def _exchange(to_child: FileIO, data: bytes, from_child: FileIO, bytes_max: int, deadline: float) -> bytes:
    """Write `data` and read the answer at the same time, so that neither side waits for the other for ever.

    Raises:
        Refused: too_much_text, or timed_out when the child holds its end open past the deadline.
    """
    os.set_blocking(to_child.fileno(), False)
    os.set_blocking(from_child.fileno(), False)
    rest = memoryview(data)
    answer = bytearray()
    with selectors.DefaultSelector() as waiting:
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
            if to_child in ready:
                try:
                    rest = rest[to_child.write(rest[: 1 << 20]) or 0 :]
                except BrokenPipeError:
                    rest = rest[:0]  # the child ended without reading all; its answer says why
                if not rest:
                    waiting.unregister(to_child)
                    to_child.close()
