"""Items of a listing that cannot be told apart: two under one identity would take turns as one document."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from ingestion.sources.protocol import Labels, SourceItem, Unlabelled
from rag.hidden_content import HiddenAction, HiddenKind


@dataclass(frozen=True, slots=True)
class DoubledItem:
    """One of several items that say they are the same document. Whose labels it had would be left to chance."""

    item: SourceItem = field(repr=False)
    revision: str = ""

    @property
    def path(self) -> str:
        return self.item.path

    @property
    def identity(self) -> str:
        return self.item.identity

    @property
    def size(self) -> int:
        return self.item.size

    @property
    def modified_ns(self) -> int:
        return self.item.modified_ns

    @property
    def labels(self) -> Labels | Unlabelled:
        return Unlabelled("its source lists more than one document under this identity")

    @property
    def hidden(self) -> Mapping[HiddenKind, HiddenAction]:
        return self.item.hidden

    def open(self) -> BinaryIO:
        return self.item.open()


def told_apart(items: Sequence[SourceItem]) -> list[SourceItem]:
    """The items, of which those that share an identity have no labels."""
    listed = Counter(item.identity for item in items)
    return [DoubledItem(item) if listed[item.identity] > 1 else item for item in items]
