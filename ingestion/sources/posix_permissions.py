"""Owners, mode bits and access control lists of POSIX: who of them all reaches a file to read it.

Source: acl(5), "ACCESS CHECK ALGORITHM"; the layout of the attribute is `include/uapi/linux/posix_acl_xattr.h`.
"""

import errno
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.sources.identities import Permissions, SourcePrincipal

READ, SEARCH = 4, 1
_ATTRIBUTE = "system.posix_acl_access"
_OTHER_KIND = "system.nfs4_acl"
_VERSION = 2
_OWNER, _USER, _OWNING_GROUP, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NONE = (errno.ENODATA, errno.EOPNOTSUPP)
_ROOT = 0
"""Whom permission bits do not hold: a missing bit keeps nothing from the administrator."""


class InvalidAcl(ValueError):
    """An access control list that is not of the documented form."""


@dataclass(frozen=True, slots=True)
class Access:
    """Permission bits of one file or folder, masked as the kernel masks them. Keys are uids and gids."""

    users: dict[int, int] = field(default_factory=dict)
    """The owner's among them, which come first in the kernel's check too."""
    groups: dict[int, int] = field(default_factory=dict)
    other: int = 0

    def others_pass(self, bit: int) -> bool:
        """Whether everybody without an entry of his own passes, whatever groups he is in."""
        return bool(self.other & bit) and all(bits & bit for bits in self.groups.values())

    def user_passes(self, uid: int, bit: int) -> bool:
        return bool(self.users[uid] & bit) if uid in self.users else self.others_pass(bit)

    def group_passes(self, gid: int, bit: int) -> bool:
        """Of its members those without an entry of their own. Any group that grants is enough."""
        return bool(self.groups.get(gid, 0) & bit) or self.others_pass(bit)


def access_of(path: Path, status: os.stat_result) -> Access:
    """The permissions of a file or folder of this status; links are not followed.

    Raises:
        OSError: the list cannot be read.
        InvalidAcl: it is not of the documented form, or of another kind, of which the mode bits tell only a part.
    """
    try:
        if _OTHER_KIND in os.listxattr(path, follow_symlinks=False):
            raise InvalidAcl("it has an NFSv4 access control list, which is not read")
        raw = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
    except OSError as cause:
        if cause.errno not in _NONE:
            raise
        mode = status.st_mode
        return Access({status.st_uid: mode >> 6 & 7}, {status.st_gid: mode >> 3 & 7}, mode & 7)
    return parse_acl(raw, status.st_uid, status.st_gid)


def parse_acl(raw: bytes, owner: int, group: int) -> Access:
    """Raises `InvalidAcl`."""
    if len(raw) < 4 or (len(raw) - 4) % 8 or struct.unpack_from("<I", raw)[0] != _VERSION:
        raise InvalidAcl("the access control list is not of the known version")
    entries: list[tuple[int, int, int]] = list(struct.iter_unpack("<HHI", raw[4:]))
    mask = next((bits for tag, bits, _ in entries if tag == _MASK), 7)
    users: dict[int, int] = {}
    groups: dict[int, int] = {}
    other = 0
    for tag, bits, number in entries:
        if tag == _USER:
            users[number] = bits & mask
        elif tag in (_OWNING_GROUP, _GROUP):
            gid = group if tag == _OWNING_GROUP else number
            # Two entries for one group: either is enough, as for a person in two groups.
            groups[gid] = groups.get(gid, 0) | bits & mask
        elif tag == _OTHER:
            other = bits
        elif tag not in (_OWNER, _MASK):
            raise InvalidAcl("the access control list has an entry of an unknown kind")
    own = [bits for tag, bits, _ in entries if tag == _OWNER]
    if len(own) != 1:
        raise InvalidAcl("the access control list has no owner")
    return Access({**users, owner: own[0]}, groups, other)


def permissions_of(owner: int, file: Access, folders: Sequence[Access], everybody: str) -> Permissions:
    """Who can search every folder on the way and read the file.

    `everybody` is the group, as an identity of the source, that stands for all the accounts of the machine; empty:
    nobody does. Who is in which group is not asked: a person who passes a folder only as a member of a group has the
    rights of that group alone.
    """
    steps = [(folder, SEARCH) for folder in folders] + [(file, READ)]
    named = {uid for access, _ in steps for uid in access.users}
    readers = {
        SourcePrincipal("user", str(uid)) for uid in named if all(access.user_passes(uid, bit) for access, bit in steps)
    }
    # A folder's own people are not its file's: only an entry of the file shares it.
    shared = {SourcePrincipal("user", str(uid)) for uid in file.users} & readers
    groups = {gid for gid in file.groups if all(access.group_passes(gid, bit) for access, bit in steps)}
    shared |= {SourcePrincipal("group", str(gid)) for gid in groups}
    if everybody and all(access.others_pass(bit) for access, bit in steps):
        shared.add(SourcePrincipal("group", everybody))
    owning = SourcePrincipal("user", str(owner))
    return Permissions(
        owner=owning if owning in readers else None,
        readers=frozenset(shared - {owning}),
        denied=frozenset(_kept_out(steps)),
    )


def _kept_out(steps: Iterable[tuple[Access, int]]) -> set[SourcePrincipal]:
    """People with an entry of their own that lacks the bit: no group they are in lets them in."""
    return {
        SourcePrincipal("user", str(uid))
        for access, bit in steps
        for uid, bits in access.users.items()
        if uid != _ROOT and not bits & bit
    }
