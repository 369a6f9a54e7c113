"""A support scorer from a sentence-transformers CrossEncoder folder, on the CPU, without any network.

Models of two kinds fit: with one output, read through a sigmoid, and for language inference, with one output named
`entailment` among several, read as its share.
"""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from transformers.utils import logging as transformers_logging

from rag.embedding.manifest import Manifest, loading_options
from rag.errors import Damaged
from rag.query.scorer import NO_MODEL, NoScorer, SupportScorer, locate_scorer
from rag.settings import GeneratorSettings

ENTAILMENT = "entailment"
_BATCH = 16


class CrossEncoderScorer:
    """A `SupportScorer` over a verified folder. Use `open_scorer`."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        transformers_logging.disable_progress_bar()
        self._model = CrossEncoder(str(folder), **loading_options())
        self._model.eval()
        self._column = _column(self._model, manifest)
        self._scoring = threading.Lock()

    async def score(self, claim: str, evidence: Sequence[str]) -> NDArray[np.float32]:
        if not evidence:
            return np.empty(0, dtype=np.float32)
        return await asyncio.to_thread(self._score, claim, list(evidence))

    def _score(self, claim: str, evidence: list[str]) -> NDArray[np.float32]:
        # What is said stands first and the claim second, as models of language inference are trained.
        pairs = [(text, claim) for text in evidence]
        with self._scoring:
            fits = np.array([self._fits(pair) for pair in pairs])
            outputs = self._model.predict(
                pairs,
                batch_size=_BATCH,
                activation_fn=torch.nn.Identity(),
                convert_to_tensor=True,
                show_progress_bar=False,
            )
        outputs = outputs.reshape(len(pairs), -1).float()
        if self._column is None:
            scores = torch.sigmoid(outputs[:, 0])
        else:
            scores = torch.softmax(outputs, dim=1)[:, self._column]
        found = np.nan_to_num(scores.cpu().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
        return np.where(fits, found, 0.0).astype(np.float32)

    def _fits(self, pair: tuple[str, str]) -> bool:
        """Whether the model reads all of it: what it would cut off could be what tells against the claim."""
        longest = self._model.max_seq_length
        return longest is None or len(self._model.tokenizer(*pair, truncation=False)["input_ids"]) <= longest


def open_scorer(settings: GeneratorSettings) -> SupportScorer:
    """The configured scorer, once every file of its folder is what the manifest says.

    Raises:
        Damaged: a file, or the manifest, is another one than configured; nothing was loaded.
        Misuse: there is no such folder, no digest is configured, or the model tells nothing about support.
    """
    if settings.support_model == NO_MODEL:
        return NoScorer()
    return CrossEncoderScorer(*locate_scorer(settings))


def _column(model: CrossEncoder, manifest: Manifest) -> int | None:
    """Which output tells support; None for the only one."""
    labels: dict[int, str] = getattr(model.config, "id2label", None) or {}
    named = [int(column) for column, label in labels.items() if str(label).lower() == ENTAILMENT]
    if len(named) == 1 and model.num_labels > 1:
        return named[0]
    if model.num_labels != 1:
        raise Damaged(
            f"The support model {manifest.name} has {model.num_labels} outputs and not exactly one of them is named "
            f"{ENTAILMENT!r}, so none tells how well a claim is supported. Configure another one."
        )
    return None
