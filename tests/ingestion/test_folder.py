"""A folder as a source: nearer labels win, nothing unlabelled passes, nothing outside is opened."""

import errno
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.sources import folder as folder_source
from ingestion.sources.folder import TRIES, FolderSource
from ingestion.sources.labels import InvalidLabels, LabelFile, parse_label_file
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, Unlabelled
from policies.rules import Level
from rag.errors import Misuse, Unavailable


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def labels_of(listing: Listing) -> dict[str, Labels | Unlabelled]:
    return {item.path: item.labels for item in listing.items}


def levels(found: dict[str, Labels | Unlabelled]) -> dict[str, Level | None]:
    return {path: None if isinstance(labels, Unlabelled) else labels.level for path, labels in found.items()}


def test_nearer_files_override_field_by_field_and_patterns_override_their_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ringfence.yaml": "department: company\nlevel: internal\ntags: [region:eu]\nowner: user:ann\n",
            "a.md": "a",
            "hr/ringfence.yaml": 'department: hr\nfiles:\n  "salaries*.csv": {level: 3, shares: [group:board]}\n',
            "hr/b.md": "b",
            "hr/deep/salaries-2026.csv": "c",
            "hr/cases/ringfence.yaml": "level: 2\ntags: []\ncompartments: [merger]\ndenied_shares: [user:eve]\n",
            "hr/cases/salaries.csv": "d",
        },
    )
    eu = frozenset({"region:eu"})
    assert labels_of(FolderSource(tmp_path).listing()) == {
        "a.md": Labels("company", Level.INTERNAL, eu, "user:ann"),
        "hr/b.md": Labels("hr", Level.INTERNAL, eu, "user:ann"),
        "hr/deep/salaries-2026.csv": Labels("hr", Level.RESTRICTED, eu, "user:ann", frozenset({"group:board"})),
        "hr/cases/salaries.csv": Labels(
            "hr",
            Level.CONFIDENTIAL,
            frozenset(),
            "user:ann",
            frozenset({"group:board"}),
            frozenset({"user:eve"}),
            frozenset({"compartment:merger"}),
        ),
    }


@pytest.mark.parametrize(
    ("given", "missing"), [("", "department and level"), ("level: 1", "department"), ("department: hr", "level")]
)
def test_a_document_without_department_or_level_is_unlabelled_and_says_what_is_missing(
    tmp_path: Path, given: str, missing: str
) -> None:
    write(tmp_path, {"ringfence.yaml": given, "a.md": "a"})
    labels = labels_of(FolderSource(tmp_path).listing())["a.md"]
    assert isinstance(labels, Unlabelled)
    assert labels.why == f"no ringfence.yaml above it gives {missing}"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("departmnt: hr", "departmnt"),
        ("level: cosmic", "level"),
        ("owner: ann", "owner"),
        ("tags: [a, 'b c']", "tags"),
        ("tags: a", "tags"),
        ("shares: [compartment:x]", "shares"),
        ("files: {'*.md': {levl: 1}}", "files.*.md.levl"),
        ("level: 1\nlevel: 2", "'level' stands twice"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("level: [", "line 1"),
        ("- a", "ringfence.yaml"),
    ],
)
def test_a_bad_label_file_unlabels_what_lies_below_and_names_file_and_field(
    tmp_path: Path, content: str, named: str
) -> None:
    good = "department: hr\nlevel: 1\n"
    write(tmp_path, {"ringfence.yaml": good, "a.md": "a", "sub/ringfence.yaml": content, "sub/b.md": "b"})
    listing = FolderSource(tmp_path).listing()
    below = labels_of(listing)["sub/b.md"]
    assert isinstance(below, Unlabelled)
    assert below.why.startswith("sub/ringfence.yaml")
    assert named in below.why
    assert below.why in listing.notices
    assert isinstance(labels_of(listing)["a.md"], Labels)


@pytest.mark.parametrize("name", ["ringfence.yml", "Ringfence.yaml", ".ringfence.yaml"])
def test_a_label_file_under_another_name_unlabels_its_folder_instead_of_being_overlooked(
    tmp_path: Path, name: str
) -> None:
    """The folder would take the looser labels from above it. What only sounds like one is a document."""
    write(tmp_path, {"ringfence.yaml": "department: hr\nlevel: 0\n", "ringfence.yaml.md": "about them", "a.md": "a"})
    write(tmp_path, {f"sub/{name}": "level: secret\n", "sub/b.md": "b", "sub/deep/c.md": "c"})
    listing = FolderSource(tmp_path).listing()
    found = labels_of(listing)
    for path in ("sub/b.md", "sub/deep/c.md"):
        assert isinstance(found[path], Unlabelled)
    assert isinstance(found["a.md"], Labels)
    assert isinstance(found["ringfence.yaml.md"], Labels)
    assert any(f"sub/{name}" in notice for notice in listing.notices)


@pytest.mark.parametrize("level", ["no", "off", "yes", "false", "1.0"])
def test_a_level_that_yaml_reads_as_a_truth_value_is_no_level(level: str) -> None:
    with pytest.raises(InvalidLabels, match="level"):
        parse_label_file(f"level: {level}".encode(), "ringfence.yaml")
    assert parse_label_file(b"level: 1", "ringfence.yaml").level == 1


def test_links_hidden_and_special_files_are_skipped_and_told(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    write(outside, {"secret.md": "s"})
    write(root, {"ringfence.yaml": "department: hr\nlevel: 1\n", "a.md": "a", ".hidden.md": "h", ".git/x.md": "x"})
    (root / "link.md").symlink_to(outside / "secret.md")
    (root / "folder").symlink_to(outside, target_is_directory=True)
    os.mkfifo(root / "pipe.md")
    (root / "line\nbreak.md").write_text("x")
    listing = FolderSource(root).listing()
    assert [item.path for item in listing.items] == ["a.md"]
    assert {(one.path, one.reason) for one in listing.skipped} == {
        (".hidden.md", "hidden"),
        (".git", "hidden"),
        ("link.md", "symlink"),
        ("folder", "symlink"),
        ("pipe.md", "special_file"),
        ("line?break.md", "unsafe_name"),
    }


def test_a_file_or_folder_swapped_for_a_link_after_listing_is_not_opened(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, {"ringfence.yaml": "department: hr\nlevel: 1\n", "sub/a.md": "mine", "b.md": "mine", "c.md": "mine"})
    write(tmp_path, {"other/a.md": "theirs"})
    b, c, a = FolderSource(root).listing().items
    (root / "b.md").unlink()
    (root / "b.md").symlink_to(tmp_path / "other/a.md")
    (root / "sub").rename(root / "moved")
    (root / "sub").symlink_to(tmp_path / "other", target_is_directory=True)
    for swapped in (a, b):
        with pytest.raises(OSError, match=r".+"):
            swapped.open()
    with c.open() as file:
        assert file.read() == b"mine"


def test_a_linked_label_file_labels_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"loose.yaml": "department: hr\nlevel: 0\n", "root/a.md": "a"})
    (tmp_path / "root/ringfence.yaml").symlink_to(tmp_path / "loose.yaml")
    assert isinstance(labels_of(FolderSource(tmp_path / "root").listing())["a.md"], Unlabelled)


def test_a_pattern_that_matches_nothing_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"ringfence.yaml": "department: hr\nlevel: 1\nfiles: {'salarys.csv': {level: 3}}\n", "salaries.csv": "x"},
    )
    assert "salarys.csv" in FolderSource(tmp_path).listing().notices[0]


@pytest.mark.parametrize("pattern", ["gehälter*.csv", "*/gehälter*.csv"])
def test_a_pattern_matches_an_accent_however_it_is_written(tmp_path: Path, pattern: str) -> None:
    apart, whole = (unicodedata.normalize(form, "a/gehälter-1.csv") for form in ("NFD", "NFC"))
    rules = {"department": "hr", "level": "internal", "files": {pattern: {"level": "secret"}}}
    write(tmp_path, {"ringfence.yaml": yaml.safe_dump(rules), apart: "x", whole: "x"})
    found = labels_of(FolderSource(tmp_path).listing())
    assert levels(found) == dict.fromkeys((apart, whole), Level.SECRET)


def test_a_file_that_a_pattern_misses_by_capital_letters_alone_has_no_labels(tmp_path: Path) -> None:
    rules: dict[str, Any] = {"department": "hr", "level": "internal", "files": {"Salaries*.csv": {"level": "secret"}}}
    files = {"Salaries-1.csv": "x", "salaries-2.CSV": "x", "other.csv": "x"}
    write(tmp_path, {"ringfence.yaml": yaml.safe_dump(rules), **files})
    found = labels_of(FolderSource(tmp_path).listing())
    unlabelled = found["salaries-2.CSV"]
    assert isinstance(unlabelled, Unlabelled)
    assert "'Salaries*.csv'" in unlabelled.why
    rules["files"]["salaries*.CSV"] = {"level": "restricted"}
    write(tmp_path, {"ringfence.yaml": yaml.safe_dump(rules)})
    found = labels_of(FolderSource(tmp_path).listing())
    assert levels(found) == {
        "Salaries-1.csv": Level.SECRET,
        "salaries-2.CSV": Level.RESTRICTED,
        "other.csv": Level.INTERNAL,
    }


LOOSE, TIGHT = "department: hr\nlevel: public\n", "department: hr\nlevel: secret\n"


def while_listing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[int], None]) -> None:
    """Each time a label file was read, and before the documents below it are looked at."""
    times = 0

    def parsed(raw: bytes, name: str) -> LabelFile:
        nonlocal times
        found = parse_label_file(raw, name)
        times += 1
        happens(times)
        return found

    monkeypatch.setattr(folder_source, "parse_label_file", parsed)


@pytest.mark.parametrize("name", ["ringfence.yaml", "a/ringfence.yaml", "a/Ringfence.yml"])
def test_a_document_that_is_written_right_after_its_labels_were_tightened_gets_the_tight_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both within one listing: its new content must never stand under the labels of the old."""
    write(tmp_path, {"ringfence.yaml": LOOSE, "a/b.md": "open"})

    def tightened(times: int) -> None:
        if times == 1:
            write(tmp_path, {name: TIGHT, "a/b.md": "closed"})

    while_listing(monkeypatch, tightened)
    item = next(item for item in FolderSource(tmp_path).listing().items if item.path == "a/b.md")
    with item.open() as file:
        assert file.read() == b"closed"
    assert isinstance(item.labels, Unlabelled) if name.endswith("yml") else item.labels == Labels("hr", Level.SECRET)


def test_folders_that_changed_places_after_the_listing_give_nothing_out_under_each_others_labels(
    tmp_path: Path,
) -> None:
    """Archives and copies give files whole seconds: size and time of writing do not tell them apart."""
    for name, labels, text in (("a", LOOSE, "open  "), ("b", TIGHT, "closed"), ("c", LOOSE, "other ")):
        write(tmp_path, {f"{name}/ringfence.yaml": labels, f"{name}/x.md": text})
        os.utime(tmp_path / name / "x.md", (1_700_000_000, 1_700_000_000))
    first, second, third = FolderSource(tmp_path).listing().items
    for old, new in (("a", "t"), ("b", "a"), ("t", "b")):
        (tmp_path / old).rename(tmp_path / new)
    for swapped in (first, second):
        with pytest.raises(ChangedSinceListed):
            swapped.open()
    with third.open() as file:
        assert file.read() == b"other "


def test_labels_that_never_come_to_rest_are_no_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"ringfence.yaml": LOOSE, "b.md": "x"})
    listed: list[int] = []

    def changes(times: int) -> None:
        listed.append(times)
        write(tmp_path, {"ringfence.yaml": LOOSE + "#" * times})

    while_listing(monkeypatch, changes)
    with pytest.raises(Unavailable) as refused:
        FolderSource(tmp_path).listing()
    assert (refused.value.code, len(listed)) == ("source_changing", TRIES)


def test_a_missing_folder_is_an_error_and_not_an_empty_source(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as never:
        FolderSource(tmp_path / "never")
    (tmp_path / "unmounted").mkdir()
    source = FolderSource(tmp_path / "unmounted")
    (tmp_path / "unmounted").rmdir()
    with pytest.raises(Unavailable) as gone:
        source.listing()
    assert never.value.code == gone.value.code == "source_unreadable"


def test_a_folder_within_that_may_not_be_read_is_named_with_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may be allowed to read everything."""
    write(tmp_path, {"ringfence.yaml": LOOSE, "b.md": "x", "closed/c.md": "x"})
    scanning = os.scandir

    def refused(path: Path) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scanning(path)

    source = FolderSource(tmp_path)
    assert len(source.listing().items) == 2
    monkeypatch.setattr("ingestion.sources.folder.os.scandir", refused)
    with pytest.raises(Unavailable, match=r"Permission denied.*Check that this user may read and search it") as caught:
        source.listing()
    assert (caught.value.exit_code, str(tmp_path / "closed") in caught.value.message) == (1, True)


def test_two_folders_of_one_name_are_two_sources(tmp_path: Path) -> None:
    (tmp_path / "x/docs").mkdir(parents=True)
    (tmp_path / "y/docs").mkdir(parents=True)
    first, second = FolderSource(tmp_path / "x/docs"), FolderSource(tmp_path / "y/docs")
    assert first.name != second.name
    assert first.name == FolderSource(tmp_path / "x/docs").name


def test_an_enormous_label_file_is_refused_unparsed() -> None:
    with pytest.raises(InvalidLabels, match="larger"):
        parse_label_file(b"#" * 100_000, "ringfence.yaml")
