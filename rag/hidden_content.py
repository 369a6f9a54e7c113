"""What is done with content that a person who opens a document does not see. Standard library only.

Hidden text is a leak when it is indexed unknowingly, and a way to plant instructions. So each kind has an action,
by installation (`ingestion.hidden`) and, nearer, by source (`hidden:` in `ringfence.yaml`); without one it is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class HiddenKind(StrEnum):
    """Ways of being in a document and not on its pages. Stable codes."""

    HIDDEN_SHEET = "hidden_sheet"
    HIDDEN_ROW = "hidden_row"
    HIDDEN_COLUMN = "hidden_column"
    HIDDEN_SLIDE = "hidden_slide"
    SPEAKER_NOTE = "speaker_note"
    COMMENT = "comment"
    TRACKED_DELETION = "tracked_deletion"
    INVISIBLE_TEXT = "invisible_text"


class HiddenAction(StrEnum):
    """`index`: read like any other text. `drop`: left out and counted. `quarantine`: the document is held as well."""

    INDEX = "index"
    DROP = "drop"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class HiddenFound:
    """So many passages of a kind, and what was done with them: for the report. Never their text."""

    kind: HiddenKind
    count: int
    action: HiddenAction


@dataclass(frozen=True, slots=True)
class HiddenPolicy:
    """The action for each kind; `drop` for those not named."""

    actions: Mapping[HiddenKind, HiddenAction] = field(default_factory=lambda: MappingProxyType({}))

    def action(self, kind: HiddenKind) -> HiddenAction:
        return self.actions.get(kind, HiddenAction.DROP)

    def under(self, nearer: Mapping[HiddenKind, HiddenAction]) -> "HiddenPolicy":
        """This policy where the nearer one says nothing."""
        return HiddenPolicy({**self.actions, **nearer})

    def quarantined(self, kinds: Iterable[HiddenKind]) -> tuple[HiddenKind, ...]:
        """Those of the kinds for which a document must be held, ordered."""
        return tuple(kind for kind in sorted(set(kinds)) if self.action(kind) is HiddenAction.QUARANTINE)

    def found(self, counts: Mapping[HiddenKind, int]) -> tuple[HiddenFound, ...]:
        return tuple(HiddenFound(kind, counts[kind], self.action(kind)) for kind in sorted(counts))

    @property
    def indexed(self) -> frozenset[HiddenKind]:
        return frozenset(kind for kind in HiddenKind if self.action(kind) is HiddenAction.INDEX)

    @property
    def digest_part(self) -> str:
        """Part of what a version was made by; empty where all is dropped."""
        acting = ((kind, self.action(kind)) for kind in HiddenKind)
        return ",".join(f"{kind}={action}" for kind, action in acting if action is not HiddenAction.DROP)


DROP_ALL = HiddenPolicy()
