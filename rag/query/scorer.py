"""A second opinion on claims that the deterministic verifier let pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding.manifest import Manifest, folder_manifest
from rag.errors import Misuse
from rag.settings import GeneratorSettings

NO_MODEL = "none"


class SupportScorer(Protocol):
    """How well sentences support a claim. Every adapter passes `tests/contracts/test_support_scorer.py`.

    It can only reject, never admit. A model of language calls plausible what sounds alike: it lets changed numbers
    and names pass at every threshold, and its mistakes cannot be listed. So no score replaces the rules of
    `rag.query.statement`, and a model that is wrong, replaced or attacked costs answers, never correctness.
    """

    async def score(self, claim: str, evidence: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(evidence),), 0..1, in input order; texts are the reading face. 0 where it cannot be told.

        Work that takes long is done in a worker thread. Safe to call concurrently.
        """
        ...


class NoScorer:
    """The adapter of `generator.support_model = "none"`: nothing is rejected that the verifier let pass."""

    async def score(self, claim: str, evidence: Sequence[str]) -> NDArray[np.float32]:
        return np.ones(len(evidence), dtype=np.float32)


def locate_scorer(settings: GeneratorSettings) -> tuple[Path, Manifest]:
    """The folder of the configured model, verified against its manifest. Loads nothing. Raises as `open_scorer`."""
    folder = Path(settings.support_model)
    if not folder.is_dir():
        raise Misuse(
            f"RINGFENCE_GENERATOR__SUPPORT_MODEL={settings.support_model!r} is neither {NO_MODEL!r} nor a folder.",
            code="bad_settings",
        )
    manifest = folder_manifest(folder, settings.support_sha256, setting="RINGFENCE_GENERATOR__SUPPORT_SHA256")
    manifest.verify(folder)
    return folder, manifest
