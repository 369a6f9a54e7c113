"""What is taken away from a process before it sees hostile bytes. Linux; elsewhere only the limits hold.

Two layers each, as kernels and containers refuse one or the other: network by a namespace and by `seccomp`, files by
`chroot` and by Landlock.
"""

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from functools import cache

_NEWUSER_NEWNET = 0x10000000 | 0x40000000
_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


# The same numbers on every architecture that has Landlock.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION = 1


class _LandlockRuleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


MESSAGE_BYTES_MAX = 4096
"""Of what zygote and parent say to each other; documents and results take pipes of their own."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one parser process."""

    wall_s: float
    cpu_s: int
    memory_bytes: int
    text_chars_max: int


def cut_network() -> bool:
    """Move this process, and all it will start, into a network of its own with nothing in it.

    True if the kernel did it. In many containers it refuses; then the deployment must cut egress.
    """
    libc = _libc()
    return libc is not None and (libc.unshare(_NEWUSER_NEWNET) == 0 or libc.unshare(_NEWNET) == 0)


def cut_filesystem(empty_folder: str) -> bool:
    """Make `empty_folder` all there is of the filesystem. True if the kernel did it; needs `cut_network` first."""
    try:
        os.chroot(empty_folder)
        os.chdir("/")
    except OSError:
        return False
    return True


def drop_capabilities() -> None:
    """Give up what the user namespace granted, and the ways of gaining more."""
    libc = _libc()
    if libc is None:
        return
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    libc.capset(ctypes.byref(header), (_CapabilityData * 2)())
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent() -> None:
    libc = _libc()
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def landlock() -> bool:
    """Forbid this process all use of paths, TCP, and signals to others. True if the kernel did it."""
    libc = _libc()
    if libc is None:
        return False
    abi = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if abi < 1:
        return False
    # Every right that this version of the kernel knows is handled, and no rule gives any back.
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    ruleset = _LandlockRuleset(rights, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    handle = libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0)
    if handle < 0:
        return False
    done = bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, handle, 0) == 0)
    os.close(handle)
    return done


def limit(limits: Limits) -> None:
    """The limits of one document. NOFILE leaves room for what is open already, not for more to be useful."""
    # A second later the kernel would end it without saying that time was the reason.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    for what, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(what, (value, value))


@cache
def _libc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _ = libc.unshare, libc.prctl, libc.capset
    except (OSError, AttributeError):
        return None
    return libc
