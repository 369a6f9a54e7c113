"""The parent's side of parsing: starts the zygote, sends bytes, reads what comes back, believes nothing of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pydantic import ValidationError

from ingestion.parse.confine import MESSAGE_BYTES_MAX, Limits
from ingestion.parse.document import (
    ARCHIVE_MEMBERS_MAX,
    Extracted,
    ParsedDocument,
    Piece,
    Reason,
    Refused,
)
from ingestion.parse.empty_folder import EmptyFolder
from ingestion.parse.members import Member, Members, printable, why_skipped
from ingestion.parse.pipes import exchange, pipe
from ingestion.parse.structure import build
from ingestion.parse.wire import Heard
from rag.errors import Unavailable
from rag.hidden_content import DROP_ALL, HiddenPolicy

PARSER_VERSION = "3"
"""Part of what a stored version was made by: raise it when the same bytes would give other text."""
START_S = 60.0
GRACE_S = 5.0
"""The zygote kills at the wall-clock limit; this much later the zygote itself is taken for lost."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a zygote runs. `code` is given the places of modules, a descriptor, an empty folder, and `arguments`."""

    code: str
    arguments: tuple[str, ...] = ()


# Without NumPy, which the reader of workbooks would load for types that no cell has: it doubles the time to start.
READERS = Program(
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); sys.modules['numpy'] = None; "
    "from ingestion.parse import child, zygote; zygote.main(int(sys.argv[2]), sys.argv[3], child.preload, child.work)"
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this kernel let us take away. Limits and separate processes hold in any case.

    `means` names how: `network namespace` and `seccomp` cut the network, `chroot` and `landlock` the files.
    """

    network_cut: bool
    filesystem_cut: bool
    means: tuple[str, ...] = ()


def weakest(known: Sequence[Isolation]) -> Isolation | None:
    """What holds in all of several kinds of processes; None where nothing is known of any."""
    if not known:
        return None
    means = tuple(mean for mean in known[0].means if all(mean in one.means for one in known))
    return Isolation(all(one.network_cut for one in known), all(one.filesystem_cut for one in known), means)


class Sandbox:
    """Parses documents one at a time, each in a process of its own. Use as a context manager; thread-safe."""

    def __init__(self, limits: Limits, program: Program = READERS) -> None:
        self._limits = limits
        self._program = program
        self._lock = threading.Lock()
        self._empty_folder = EmptyFolder()
        # A zygote is killed when the thread that started it ends, so this thread does nothing else and stays.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="ringfence-parse")
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

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        """Read a document. Of `path` only the ending and, for want of a title, the name matter.

        Hidden text that the policy does not index never leaves the child; its kinds and numbers do.

        Raises:
            Refused: it is not to be indexed, and why.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        return build(self.extract(data, path, hidden), path)

    def extract(self, data: bytes, path: str, hidden: HiddenPolicy, *, awaiting: bool = False) -> Extracted:
        """The same as pieces. `awaiting`: pages without text are named instead of refused.

        Raises:
            Refused, Unavailable: as `parse`.
        """
        if not data:
            raise Refused(Reason.EMPTY)
        request = {
            "task": "parse",
            "suffix": PurePosixPath(path).suffix[:16].encode("ascii", "replace").decode(),
            "indexed": " ".join(sorted(hidden.indexed)),
            "awaiting": awaiting,
        }
        return self.extracted(request, data)

    def extracted(self, request: Mapping[str, object], data: bytes) -> Extracted:
        """What a fresh child of this program makes of a request and a document.

        Raises:
            Refused: it is not to be indexed, and why.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        with self._lock:
            heard, _ = self._heard(*self._run(request, data))
        if sum(len(text) for text, *_ in heard.pieces) > self._limits.text_chars_max:
            raise Refused(Reason.TOO_MUCH_TEXT)
        pieces = tuple(Piece(*piece) for piece in heard.pieces)
        return Extracted(heard.media_type, heard.title, pieces, heard.notes, heard.hidden, heard.awaited)

    def members(self, archive: BinaryIO) -> Members:
        """What an archive holds: `archive` is an open regular file, which the child reads by itself.

        Raises:
            Refused: it is not to be read, and why; `archive_bomb` when its members are more than they may be.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        with self._lock:
            heard, _ = self._heard(*self._run({"task": "members"}, archive))
        # The same rule again on this side: what a child says is not believed.
        kept = tuple(Member(*member) for member in heard.members if why_skipped(member[1]) is None)
        return Members(kept, tuple((printable(name), reason) for name, reason in heard.skipped))

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        """The bytes of one member; one more than `bytes_max` where it has more.

        Raises:
            Refused: it cannot be read, and why.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        request = {"task": "member", "index": index, "bytes_max": bytes_max}
        with self._lock:
            _, payload = self._heard(*self._run(request, archive, answer_bytes_max=bytes_max + 10_000))
        return payload

    def picture(self, document: bytes, page: int, bytes_max: int) -> bytes:
        """Page number `page` (from 1) of a PDF as PNG. It is the child's word that this is what the page shows.

        Raises:
            Refused: it cannot be drawn, and why; `too_much_text` where the picture is larger than `bytes_max`.
            Unavailable: parser processes cannot be started on this machine at all.
        """
        request = {"task": "picture", "page": page}
        with self._lock:
            _, payload = self._heard(*self._run(request, document, answer_bytes_max=bytes_max + 10_000))
        return payload

    def close(self) -> None:
        with self._lock:
            self._stop()
            self._starter.shutdown()
            self._empty_folder.close()

    def _run(
        self, request: Mapping[str, object], document: bytes | BinaryIO, *, answer_bytes_max: int | None = None
    ) -> tuple[bytes, Mapping[str, Any]]:
        """What a fresh child wrote, and how it ended. It is given bytes through a pipe, or an open file to read."""
        control = self._started()
        limits = self._limits
        request = {
            **request,
            "wall_s": limits.wall_s,
            "cpu_s": limits.cpu_s,
            "memory_bytes": limits.memory_bytes,
            "text_chars_max": limits.text_chars_max,
        }
        # JSON writes a character in at most six bytes, and each piece or member costs a few more.
        bytes_max = answer_bytes_max or max(8 * limits.text_chars_max, 2_000 * ARCHIVE_MEMBERS_MAX) + 100_000
        deadline = time.monotonic() + limits.wall_s + GRACE_S
        try:
            with ExitStack() as pipes:
                document_in: FileIO | None = None
                if isinstance(document, bytes):
                    document_out, document_in = pipe(pipes)
                else:
                    document_out = pipes.enter_context(FileIO(os.dup(document.fileno()), "rb"))
                result_out, result_in = pipe(pipes)
                socket.send_fds(control, [json.dumps(request).encode()], [document_out.fileno(), result_in.fileno()])
                # Only the child may hold these ends: the end of its output is how we know that it is done.
                document_out.close()
                result_in.close()
                data = document if isinstance(document, bytes) else b""
                written = exchange(document_in, data, result_out, bytes_max, deadline)
            control.settimeout(max(0.1, deadline - time.monotonic()))
            ending: Mapping[str, Any] = json.loads(control.recv(MESSAGE_BYTES_MAX))
        except (OSError, ValueError):
            self._stop()
            raise Refused(Reason.CRASHED, "the parser process was lost") from None
        except Refused:
            self._stop()
            raise
        return written, ending

    def _heard(self, written: bytes, ending: Mapping[str, Any]) -> tuple[Heard, bytes]:
        """The child's answer, and the bytes that it was asked for."""
        if ending["timed_out"] or ending["signal"] == signal.SIGXCPU:
            raise Refused(Reason.TIMED_OUT)
        if ending["signal"] or ending["status"] != 0:
            # A native library that gets no memory aborts; all that can be seen of it is how much it had.
            starved = ending["status"] == 77 or ending["peak_bytes"] > 0.5 * self._limits.memory_bytes
            raise Refused(Reason.MEMORY if starved else Reason.CRASHED)
        line, _, payload = written.partition(b"\n")
        try:
            heard = Heard.model_validate_json(line, strict=False)
        except ValidationError:
            raise Refused(Reason.CRASHED, "the parser process answered nonsense") from None
        self._isolation = Isolation(
            network_cut=self._network_cut or "seccomp" in heard.cut,
            filesystem_cut="chroot" in heard.cut or "landlock" in heard.cut,
            means=("network namespace",) * self._network_cut + heard.cut,
        )
        if heard.reason is not None:
            raise Refused(heard.reason, heard.detail)
        return heard, payload

    def _started(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = self._starter.submit(
                subprocess.Popen,
                _command(self._program, theirs.fileno(), self._empty_folder.name),
                env={},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
            ).result()
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


def _command(program: Program, control: int, empty_folder: str) -> list[str]:
    """How to start the zygote: isolated from environment and user folders, finding our code where we found it.

    The parser libraries are loaded there and nowhere else: this process never imports them.
    """
    places = [str(Path(place).resolve()) for place in sys.path]
    start = [sys.executable, "-I", "-X", "utf8", "-c", program.code]
    return [*start, json.dumps(places), str(control), empty_folder, *program.arguments]
