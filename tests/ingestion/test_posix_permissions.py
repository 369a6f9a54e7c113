"""Owners, groups and access control lists, on real files: shares are what the kernel would let each of them read.

The kernel itself is asked in the last test: a child process takes on each identity and opens the file.
"""

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.sources import posix_folder
from ingestion.sources.identities import Identities
from ingestion.sources.posix_folder import PosixFolderSource
from ingestion.sources.posix_permissions import Access, InvalidAcl, access_of, parse_acl, permissions_of
from ingestion.sources.protocol import Labels, Unlabelled
from rag.errors import Misuse

ANN, BO, EVE = 1001, 1002, 1003
STAFF, HR = 2001, 2002
EVERYBODY = "9000"
TABLE = Identities(
    users={str(ANN): "user:ann", str(BO): "user:bo", str(EVE): "user:eve"},
    groups={str(STAFF): "group:staff", str(HR): "group:hr", EVERYBODY: "group:everybody"},
)
OPEN_FOLDER = Access({ANN: 7}, {STAFF: 5}, 5)


def shares(file: Access, *folders: Access, everybody: str = EVERYBODY) -> tuple[str, set[str], set[str]]:
    """Owner, readers and denied people, by number."""
    found = permissions_of(ANN, file, folders, everybody)
    owner = found.owner.id if found.owner else ""
    return owner, {one.id for one in found.readers}, {one.id for one in found.denied}


@pytest.mark.parametrize(
    ("file", "folders", "expected"),
    [
        (Access({ANN: 6}, {STAFF: 4}, 0), [OPEN_FOLDER], (ANN, {STAFF}, set())),
        (Access({ANN: 6}, {STAFF: 0}, 0), [OPEN_FOLDER], (ANN, set(), set())),
        (Access({ANN: 6}, {STAFF: 4}, 4), [OPEN_FOLDER], (ANN, {STAFF, 9000}, set())),
        # Others read, the owning group does not: then nobody stands for the others.
        (Access({ANN: 6}, {STAFF: 0}, 4), [OPEN_FOLDER], (ANN, set(), set())),
        (Access({ANN: 6, BO: 4, EVE: 0}, {STAFF: 4}, 0), [OPEN_FOLDER], (ANN, {BO, STAFF}, {EVE})),
        # The owner's own bits count, not the group's she is in.
        (Access({ANN: 0}, {STAFF: 4}, 0), [OPEN_FOLDER], ("", {STAFF}, {ANN})),
        # Search on every folder of the way.
        (Access({ANN: 6, BO: 4}, {STAFF: 4}, 4), [OPEN_FOLDER, Access({ANN: 7}, {HR: 5}, 0)], (ANN, set(), set())),
        (Access({ANN: 6, BO: 4}, {HR: 4}, 0), [OPEN_FOLDER, Access({ANN: 7}, {HR: 1}, 0)], (ANN, {HR}, set())),
        (Access({ANN: 6}, {STAFF: 4}, 4), [Access({BO: 7, EVE: 0}, {HR: 5}, 5)], (ANN, {STAFF, 9000}, {EVE})),
        # Reading a folder is not searching it.
        (Access({ANN: 6}, {STAFF: 4}, 4), [Access({ANN: 7}, {STAFF: 4}, 4)], (ANN, set(), set())),
        (Access({ANN: 6}, {STAFF: 4}, 4), [Access({BO: 7}, {STAFF: 1}, 0)], ("", {STAFF}, set())),
    ],
)
def test_who_can_search_every_folder_and_read_the_file_shares_it(
    file: Access, folders: list[Access], expected: tuple[int | str, set[int], set[int]]
) -> None:
    owner, readers, denied = expected
    assert shares(file, *folders) == (str(owner), {str(one) for one in readers}, {str(one) for one in denied})


BITS = st.integers(0, 7)
SOME = st.sampled_from([ANN, BO, EVE])
GROUPS = st.sampled_from([STAFF, HR])
ACCESS = st.builds(
    lambda owner, users, groups, other: Access({**users, **owner}, groups, other),
    st.dictionaries(SOME, BITS, min_size=1, max_size=1),
    st.dictionaries(SOME, BITS, max_size=2),
    st.dictionaries(GROUPS, BITS, min_size=1, max_size=2),
    BITS,
)


def passes(access: Access, uid: int, groups: set[int], bit: int) -> bool:
    """The check of acl(5), step by step."""
    if uid in access.users:
        return bool(access.users[uid] & bit)
    matching = [bits for gid, bits in access.groups.items() if gid in groups]
    return any(bits & bit for bits in matching) if matching else bool(access.other & bit)


@given(owner=SOME, file=ACCESS, folders=st.lists(ACCESS, max_size=2), uid=SOME, groups=st.sets(GROUPS))
@settings(max_examples=300, deadline=None)
@example(ANN, Access({ANN: 6}, {STAFF: 4}, 4), [OPEN_FOLDER], BO, set())
@example(ANN, Access({ANN: 6}, {STAFF: 0}, 4), [OPEN_FOLDER], BO, {STAFF})
@example(ANN, Access({ANN: 0}, {STAFF: 4}, 4), [OPEN_FOLDER], ANN, {STAFF})
def test_nobody_shares_a_file_that_the_check_of_the_system_refuses(
    owner: int, file: Access, folders: list[Access], uid: int, groups: set[int]
) -> None:
    """The other direction does not hold: rights that depend on several groups at once are not taken."""
    file = Access({owner: 6} | file.users, file.groups, file.other)
    found = permissions_of(owner, file, folders, EVERYBODY)
    owning = found.owner.id if found.owner else ""
    readers, denied = {one.id for one in found.readers}, {one.id for one in found.denied}
    admitted = str(uid) not in denied and bool({str(uid), *map(str, groups), EVERYBODY} & {*readers, owning})
    steps = [(folder, 1) for folder in folders] + [(file, 4)]
    if admitted:
        assert all(passes(access, uid, groups, bit) for access, bit in steps)


def test_everybody_is_nobody_unless_a_group_is_named_for_it() -> None:
    file = Access({ANN: 6}, {STAFF: 4}, 4)
    assert shares(file, OPEN_FOLDER, everybody="")[1] == {str(STAFF)}


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ACL = "system.posix_acl_access"
NO_ID = 0xFFFFFFFF
WHOLE = [(1, 6, NO_ID), (2, 6, BO), (4, 6, NO_ID), (8, 4, HR), (16, 4, NO_ID), (32, 0, NO_ID)]


def test_the_mask_limits_everybody_but_owner_and_others() -> None:
    assert parse_acl(acl(*WHOLE), ANN, STAFF) == Access({ANN: 6, BO: 4}, {STAFF: 4, HR: 4}, 0)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x02\0\0", acl(*WHOLE)[:-1], b"\x03" + acl(*WHOLE)[1:], acl(*WHOLE[1:]), acl(*WHOLE, (64, 4, 1))],
)
def test_a_list_of_another_form_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidAcl):
        parse_acl(raw, ANN, STAFF)


def test_a_list_of_another_kind_keeps_the_document_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mode bits say nothing of whom it keeps out."""
    root = tmp_path / "docs"
    root.mkdir()
    (root / "ringfence.yaml").write_text("department: hr\nlevel: internal\n")
    (root / "a.txt").write_text("hello")
    everybody = Identities(users={str(os.getuid()): "user:me"}, groups={str(os.getgid()): "group:us"})
    source = PosixFolderSource(root, "docs", everybody, searched_from=root)
    assert isinstance(source.listing().items[0].labels, Labels)
    monkeypatch.setattr(os, "listxattr", lambda path, *, follow_symlinks: ["system.nfs4_acl"])
    labels = source.listing().items[0].labels
    assert isinstance(labels, Unlabelled)
    assert "NFSv4" in labels.why


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only the administrator can give files to others")


def folder(root: Path, *, mode: int, owner: int = ANN, group: int = STAFF) -> Path:
    root.mkdir()
    (root / "ringfence.yaml").write_text("department: hr\nlevel: internal\n")
    os.chown(root, owner, group)
    root.chmod(mode)
    return root


def labels_of(root: Path, searched_from: Path) -> Labels | Unlabelled:
    source = PosixFolderSource(root, "docs", TABLE, everybody=EVERYBODY, searched_from=searched_from)
    return next(item.labels for item in source.listing().items if item.path.endswith("a.txt"))


@as_root
def test_shares_are_those_whom_the_kernel_lets_read(tmp_path: Path) -> None:
    """A program is run as each of them; the file system is asked, not our reading of its documentation."""
    root = folder(tmp_path / "docs", mode=0o751)
    sub = folder(root / "sub", mode=0o750, group=HR)
    file = sub / "a.txt"
    file.write_text("hello")
    os.chown(file, ANN, STAFF)
    try:
        os.setxattr(sub, ACL, acl((1, 7, NO_ID), (2, 1, BO), (4, 5, NO_ID), (16, 7, NO_ID), (32, 0, NO_ID)))
        os.setxattr(file, ACL, acl(*WHOLE[:2], (2, 0, EVE), *WHOLE[2:]))
    except OSError:
        pytest.skip("this file system has no access control lists")
    labels = labels_of(root, root)
    assert isinstance(labels, Labels)
    assert (labels.owner, labels.shares, labels.denied_shares) == (
        "user:ann",
        {"user:bo", "group:hr"},
        {"user:eve"},
    )
    people = {"user:ann": (ANN, []), "user:bo": (BO, []), "user:eve": (EVE, [HR]), "group:hr": (1099, [HR])}
    strangers = {"group:staff": (1098, [STAFF]), "group:everybody": (1097, [])}
    readable = {labels.owner, *labels.shares} - labels.denied_shares
    opened = {name for name, who in {**people, **strangers}.items() if kernel_lets_read(root, "sub/a.txt", *who)}
    assert opened == readable


def kernel_lets_read(root: Path, path: str, uid: int, groups: list[int]) -> bool:
    """Whether the file opens as this person, from its root: the folders above belong to the test runner."""
    code = (
        "import os, sys; root, path, uid, *groups = sys.argv[1:]\n"
        "at = os.open(root, os.O_RDONLY)\n"
        "os.fchdir(at); os.chroot('.')\n"
        "os.setgroups([int(g) for g in groups]); os.setgid(65533); os.setuid(int(uid))\n"
        "try: os.close(os.open('/' + path, os.O_RDONLY))\n"
        "except PermissionError: sys.exit(13)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(root), path, str(uid), *map(str, groups)], timeout=30, check=False
    )
    assert done.returncode in (0, 13)
    return done.returncode == 0


@as_root
def test_folders_above_the_source_count_from_the_one_that_is_named(tmp_path: Path) -> None:
    above = folder(tmp_path / "above", mode=0o700)
    root = folder(above / "docs", mode=0o755)
    (root / "a.txt").write_text("hello")
    os.chown(root / "a.txt", ANN, STAFF)
    (root / "a.txt").chmod(0o644)
    closed, opened = labels_of(root, above), labels_of(root, root)
    assert isinstance(closed, Labels) and isinstance(opened, Labels)
    assert closed.shares == set()
    assert opened.shares == {"group:staff", "group:everybody"}
    with pytest.raises(Misuse, match="searched_from"):
        PosixFolderSource(root, "docs", TABLE, searched_from=tmp_path / "elsewhere")


@as_root
def test_owner_and_shares_in_label_files_are_not_taken_and_that_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path / "docs", mode=0o755)
    (root / "ringfence.yaml").write_text(
        "department: hr\nlevel: internal\nowner: user:eve\nshares: [group:all]\ndenied_shares: [user:bo]\n"
    )
    (root / "a.txt").write_text("hello")
    os.chown(root / "a.txt", ANN, STAFF)
    (root / "a.txt").chmod(0o600)
    listing = PosixFolderSource(root, "docs", TABLE, searched_from=root).listing()
    [labels] = [item.labels for item in listing.items]
    assert isinstance(labels, Labels)
    assert (labels.owner, labels.shares, labels.denied_shares) == ("user:ann", set(), {"user:bo"})
    assert any("not taken" in notice for notice in listing.notices)


@as_root
def test_a_file_whose_rights_change_after_the_listing_is_not_given_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "docs", mode=0o755)
    for name in ("a.txt", "b.txt"):
        (root / name).write_text("hello")
    first, second = PosixFolderSource(root, "docs", TABLE, searched_from=root).listing().items
    (root / "a.txt").chmod(0o600)
    with pytest.raises(OSError, match="after it was listed"):
        first.open()
    with second.open() as file:
        assert file.read() == b"hello"


@as_root
@pytest.mark.parametrize("bytes_too", [True, False])
def test_rights_that_are_set_while_they_are_read_are_not_for_what_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_too: bool
) -> None:
    root = folder(tmp_path / "docs", mode=0o755)
    (root / "a.txt").write_text("secret")
    later = time.time_ns() + 3600 * 10**9
    source = PosixFolderSource(root, "docs", TABLE, searched_from=root, now_ns=lambda: later)
    [listed] = source.listing().items
    assert listed.revision

    def changed_meanwhile(path: Path, status: os.stat_result) -> Access:
        if path.name == "a.txt":
            (root / "a.txt").write_text("open") if bytes_too else None
            (root / "a.txt").chmod(0o666)
        return access_of(path, status)

    with monkeypatch.context() as patch:
        patch.setattr(posix_folder, "access_of", changed_meanwhile)
        [item] = source.listing().items
    assert item.revision == ""
    with pytest.raises(OSError, match="after it was listed"):
        item.open()
    [again] = source.listing().items
    with again.open() as file:
        assert file.read() == (b"open" if bytes_too else b"secret")
