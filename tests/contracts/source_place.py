"""What the contract of sources asks of a place that documents come from."""

from typing import Protocol

from ingestion.sources.protocol import Labels, Source

ANN, BO = "user:ann", "user:bo"


class Place(Protocol):
    """`restrict` is a change of permissions and of nothing else; `restricted` is how its labels look then."""

    source: Source
    keeps_identity: bool
    """Whether a document stays the same document when it gets another name."""
    rights_move_revision: bool
    """Whether a change of permissions alone makes the source read the content again."""
    moves: bool
    """Whether a document can get another name. A message in a file cannot."""
    names: bool
    """Whether documents have names of their own, and content that can change under them. Messages have neither."""

    secrets: tuple[str, ...]
    """What the source is asked with, and must not tell."""

    def opened_again(self) -> Source:
        """The same source, its place written in another way where there is one."""
        ...

    def elsewhere(self) -> Source:
        """A source of the same kind and name at another place. It is not listed."""
        ...

    def path(self, name: str) -> str:
        """How a document that was written under this name stands in the listing."""
        ...

    def write(self, path: str, content: str) -> None: ...

    def rename(self, path: str, to: str) -> None: ...

    def delete(self, path: str) -> None: ...

    def restrict(self, path: str) -> None: ...

    def restricted(self, labels: Labels) -> bool: ...

    def write_hostile(self) -> set[str]:
        """Write documents under names that are not taken; the names as they stand in the listing, skipped."""
        ...

    def breaks(self) -> None:
        """Make the place unreadable."""
        ...
