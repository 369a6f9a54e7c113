"""A seccomp filter: the system calls that reading a document never needs fail with EPERM. Linux on x86-64 and ARM64.

A list of what is forbidden, not of what is allowed: the libraries of four formats may ask for anything harmless, while
sockets, new processes, other processes and the newer ways around both are always refused. So is changing whose an open
file is and who may read it: an archive is read through a descriptor of the source's own file.
"""

import ctypes
import errno
import platform
import struct

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2

_LOAD = 0x20
_EQUAL = 0x15
_AT_LEAST = 0x35
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_NOT_KNOWN = 0x00050000 | errno.ENOSYS
_KILL = 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_X32 = 0x40000000
"""From here on x86-64 takes calls of another ABI, with numbers of their own."""

_CLONE3 = 435
_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 452, 463, 466)
"""io_uring, the mount calls, pidfd_open, pidfd_getfd, process_madvise, fchmodat2, setxattrat and removexattrat."""

# By name: the numbers on x86-64 and on ARM64; None where an architecture never had it.
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "connect": (42, 203),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fsetxattr": (190, 7),
    "fremovexattr": (199, 16),
    "utimensat": (280, 88),
    "futimesat": (261, None),
}
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_dangerous_calls() -> bool:
    """Install the filter in this process, for ever. True if the kernel took it. Limits must be set before."""
    machine = _ARCHITECTURES.get(platform.machine())
    if machine is None:
        return False
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    architecture, column = machine
    code = _code(architecture, [number for numbers in _FORBIDDEN.values() if (number := numbers[column]) is not None])
    program = _Program(len(code) // 8, code)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _code(architecture: int, forbidden: list[int]) -> bytes:
    numbers = (*forbidden, *_EVERYWHERE)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, len(numbers) + 2, 0, _X32),
        # The C library takes this for an old kernel and makes the call that the filter can see into.
        (_EQUAL, len(numbers) + 2, 0, _CLONE3),
        *((_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _NOT_KNOWN),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
