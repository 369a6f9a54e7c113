"""Labels that stand in the configuration of a source, for sources without label files of their own."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from ingestion.sources.labels import FolderLabels, LabelFile, hidden_for, labels_for, singled_out
from ingestion.sources.protocol import Labels, Unlabelled
from rag.hidden_content import HiddenAction, HiddenKind


class ConfiguredLabels:
    """What `labels` of a source says, in the words of a `ringfence.yaml` at its root. One for each listing."""

    def __init__(self, content: LabelFile) -> None:
        self._root = FolderLabels(PurePosixPath(), content)

    def of(
        self, path: str, own: LabelFile | None = None
    ) -> tuple[Labels | Unlabelled, Mapping[HiddenKind, HiddenAction]]:
        """The labels of a document, and what is done with its hidden content; `own` are labels it brings along."""
        at = PurePosixPath(path)
        chain = (self._root,) if own is None else (self._root, FolderLabels(PurePosixPath(), own))
        return labels_for(at, chain, "`labels` of the source"), hidden_for(at, chain)

    def astray(self, path: str, otherwise: str) -> str | None:
        """A pattern that means the document under another name than its path: unseen, it would leave it too loose."""
        return self._root.astray(PurePosixPath(path), PurePosixPath(otherwise)) if path != otherwise else None

    def singled_out(self, archive: str, member: str) -> bool:
        return singled_out(PurePosixPath(archive), member, (self._root,))

    def notices(self) -> tuple[str, ...]:
        return tuple(f"labels: the pattern {unused!r} under files: matches nothing" for unused in self._root.unused)
