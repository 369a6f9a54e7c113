"""A Git repository as a source: which commit is read, whose labels count, and what is not followed."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich import porcelain
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob, Commit, Tree
from dulwich.pack import REF_DELTA, create_delta, pack_object_header, write_pack
from dulwich.refs import Ref
from dulwich.repo import Repo

from ingestion.sources import git
from ingestion.sources.git import GitSource
from ingestion.sources.git_sizes import size_in_pack
from ingestion.sources.labels import LabelFile
from ingestion.sources.protocol import Labels, Unlabelled
from policies.rules import Level
from rag.errors import Unavailable

AUTHOR = b"Ann <ann@acme.example>"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "work"
    root.mkdir()
    with Repo.init(str(root), default_branch=b"main"):
        yield root


def commit(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    porcelain.add(str(root), [str(root / name) for name in files])
    porcelain.commit(str(root), b"a change", author=AUTHOR, committer=AUTHOR)


def read(source: GitSource) -> dict[str, bytes]:
    return {item.path: item.open().read() for item in source.listing().items}


LABELLED = {"ringfence.yaml": "department: hr\nlevel: internal\n", "a.txt": "one", "b/c.txt": "sub"}


def test_what_is_committed_at_the_reference_is_read_and_not_the_working_tree(repository: Path) -> None:
    commit(repository, LABELLED)
    porcelain.tag_create(str(repository), b"v1", annotated=True, author=AUTHOR, message=b"first")
    commit(repository, {"a.txt": "two"})
    (repository / "a.txt").write_text("not committed")
    (repository / "new.txt").write_text("not committed")
    assert read(GitSource(repository, "docs")) == {"a.txt": b"two", "b/c.txt": b"sub"}
    assert read(GitSource(repository, "docs", reference="main"))["a.txt"] == b"two"
    assert read(GitSource(repository, "docs", reference="refs/tags/v1"))["a.txt"] == b"one"
    assert read(GitSource(repository, "docs", reference="v1"))["a.txt"] == b"one"


@pytest.mark.parametrize("reference", ["none", "refs/heads/none", "HEAD~1", "../../HEAD", "config"])
def test_a_reference_that_is_not_there_is_an_unreadable_source(repository: Path, reference: str) -> None:
    commit(repository, LABELLED)
    assert GitSource(repository, "docs").listing().items
    with pytest.raises(Unavailable) as refused:
        GitSource(repository, "docs", reference=reference).listing()
    assert refused.value.code == "source_unreadable"
    with pytest.raises(Unavailable):
        GitSource(repository.parent, "docs").listing()


def test_labels_are_those_of_the_commit_unless_the_configuration_gives_them(repository: Path) -> None:
    commit(repository, LABELLED | {"b/ringfence.yaml": "level: secret\n"})
    own = {item.path: item.labels for item in GitSource(repository, "docs").listing().items}
    assert own == {"a.txt": Labels("hr", Level.INTERNAL), "b/c.txt": Labels("hr", Level.SECRET)}
    configured = GitSource(repository, "docs", labels=LabelFile(department="it", level=Level.RESTRICTED))
    given = {item.path: item.labels for item in configured.listing().items}
    assert set(given.values()) == {Labels("it", Level.RESTRICTED)}


@pytest.mark.parametrize("name", ["ringfence.yml", "Ringfence.yaml"])
def test_a_label_file_under_another_name_unlabels_its_folder(repository: Path, name: str) -> None:
    commit(repository, LABELLED | {f"b/{name}": "level: secret\n"})
    labels = {item.path: item.labels for item in GitSource(repository, "docs").listing().items}
    assert isinstance(labels["b/c.txt"], Unlabelled)
    assert isinstance(labels["a.txt"], Labels)


def test_a_linked_label_file_labels_nothing(repository: Path) -> None:
    commit(repository, {"loose.yaml": "department: hr\nlevel: public\n", "b/c.txt": "x", "a.txt": "x"})
    (repository / "b/ringfence.yaml").symlink_to("../loose.yaml")
    commit(repository, {"ringfence.yaml": "department: hr\nlevel: secret\n"})
    porcelain.add(str(repository), [str(repository / "b/ringfence.yaml")])
    porcelain.commit(str(repository), b"a link", author=AUTHOR, committer=AUTHOR)
    labels = {item.path: item.labels for item in GitSource(repository, "docs").listing().items}
    assert isinstance(labels["b/c.txt"], Unlabelled)
    assert isinstance(labels["a.txt"], Labels)


def test_a_tree_without_end_is_cut_off(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few objects, each naming the one below many times."""
    monkeypatch.setattr(git, "ENTRIES_MAX", 1000)
    with Repo(str(repository)) as repo:
        below = Blob.from_string(b"x")
        repo.object_store.add_object(below)
        mode = 0o100644
        below_id = below.id
        for _ in range(12):
            tree = Tree()
            for name in (b"a", b"b", b"c"):
                tree.add(name, mode, below_id)
            repo.object_store.add_object(tree)
            below_id, mode = tree.id, 0o040000
        bomb = Commit()
        bomb.tree, bomb.author, bomb.committer, bomb.message = below_id, AUTHOR, AUTHOR, b"a bomb"
        bomb.author_time = bomb.commit_time = bomb.author_timezone = bomb.commit_timezone = 0
        repo.object_store.add_object(bomb)
        repo.refs[b"refs/heads/main"] = bomb.id
    with pytest.raises(Unavailable, match="more than 1000 entries"):
        GitSource(repository, "docs").listing()


def similar(number: int) -> str:
    """Long texts that differ in a line, so that one is stored as its difference from another."""
    lines = [f"Clause {line}: the tenant pays on the first day of the month." for line in range(300)]
    return "\n".join([*lines[:number], f"Only in {number}.", *lines[number:]])


@pytest.mark.parametrize("how", ["loose", "packed", "borrowed"])
def test_a_size_is_that_of_the_content_however_the_object_is_stored(
    how: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"{number}.txt": similar(number) for number in (0, 7, 150)} | {"empty.txt": "", "b.bin": "x" * 70_000}
    commit(repository, LABELLED | texts)
    if how != "loose":
        with Repo(str(repository)) as repo:
            place = Path(repo.object_store.path)
            objects = [repo[sha] for sha in repo.object_store]
            write_pack(str(place / "pack" / "pack-1"), objects, repo.object_format, deltify=True)
            [packed] = repo.object_store.packs
            assert any(one.delta_base is not None for one in packed.data.iter_unpacked())
        for loose in place.glob("??/*"):
            loose.unlink()
    if how == "borrowed":
        borrower = tmp_path / "borrower"
        borrower.mkdir()
        with Repo(str(repository)) as lender, Repo.init(str(borrower)) as repo:
            repo.object_store.add_alternate_path(str(repository / ".git" / "objects"))
            repo.refs[Ref(b"refs/heads/master")] = lender.refs[Ref(b"refs/heads/main")]
        repository = borrower
    items = {item.path: item for item in GitSource(repository, "docs").listing().items}
    inflated: list[str] = []
    monkeypatch.setattr(git, "_blob", lambda *_: inflated.append("read"))
    sizes = {path: item.size for path, item in items.items()}
    assert sizes == {path: len(text) for path, text in (LABELLED | texts).items() if path != "ringfence.yaml"}
    assert inflated == []


def test_a_difference_from_an_object_of_another_pack_has_its_own_size() -> None:
    difference = b"".join(create_delta(similar(0).encode(), similar(200).encode()))
    head = bytes(pack_object_header(REF_DELTA, b"b" * 20, len(difference), DEFAULT_OBJECT_FORMAT)) + zlib.compress(
        difference
    )
    assert size_in_pack(head[:512], 20) == len(similar(200))
    for cut in (0, 1, 10, 22):
        with pytest.raises((ValueError, zlib.error)):
            size_in_pack(head[:cut], 20)


def test_an_object_that_is_missing_has_no_content_and_stops_no_other(repository: Path) -> None:
    commit(repository, LABELLED)
    items = {item.path: item for item in GitSource(repository, "docs").listing().items}
    lost = items["a.txt"].revision
    (repository / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    assert items["a.txt"].size == 0
    with pytest.raises(OSError, match="cannot be read"):
        items["a.txt"].open()
    assert items["b/c.txt"].open().read() == b"sub"


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"


@pytest.mark.parametrize("place", ["", "sub/"])
def test_what_stands_for_a_file_that_is_kept_elsewhere_is_no_document(repository: Path, place: str) -> None:
    """Of a repository that uses Git LFS; and one file too long to be a pointer only begins like one."""
    files = {f"{place}large.pdf": POINTER, f"{place}about.txt": POINTER + "x" * 1024, f"{place}small.txt": "version 2"}
    commit(repository, LABELLED | {f"{place}.gitattributes": "*.pdf filter=lfs diff=lfs merge=lfs -text\n"} | files)
    listing = GitSource(repository, "docs").listing()
    assert {item.path for item in listing.items} == {"a.txt", "b/c.txt", f"{place}about.txt", f"{place}small.txt"}
    assert (f"{place}large.pdf", "lfs_pointer") in {(one.path, one.reason) for one in listing.skipped}
