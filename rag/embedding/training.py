"""Training a sentence-transformers model on pairs of texts. What it needs besides comes with the extra `tune`.

The library writes nothing while it trains: no checkpoint, no log, no description with examples of what was read.
"""

import importlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from rag.embedding.manifest import loading_options
from rag.errors import Misuse

NEEDED = ("accelerate", "datasets", "ir_measures")
_VERSIONS = ("torch", "transformers", "sentence-transformers", "accelerate", "datasets")

Progress = Callable[[int, int], None]
"""Told of each step: how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained. `batch` is also the number of passages that a question has to tell its own from."""

    epochs: int = 1
    batch: int = 16
    rate: float = 2e-5
    warmup: float = 0.1
    seed: int = 7

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "loss": "MultipleNegativesRankingLoss"}


def require_trainer() -> None:
    """Return if training can be done here.

    Raises:
        Misuse: a package is missing.
    """
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            raise Misuse(
                f"Tuning needs the package {name}, which is not installed: pip install 'ringfence[tune]'.",
                code="no_trainer",
            ) from None


def train(
    base: Path, pairs: Sequence[tuple[str, str]], recipe: Recipe, folder: Path, tell: Progress
) -> Mapping[str, Any]:
    """Train the model of a verified folder on (question, passage) and save it in `folder`, which is empty.

    On a GPU if PyTorch sees one. Passages of other pairs in a batch are what a question is not answered by; equal
    texts never share a batch. On one machine and number of threads, the same pairs give the same weights. Returns
    what it was done with.
    """
    # Both take seconds to load, and the second is an extra.
    from datasets import Dataset  # noqa: PLC0415 - see above
    from sentence_transformers import SentenceTransformerTrainer  # noqa: PLC0415 - likewise
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss  # noqa: PLC0415 - likewise
    from transformers import PrinterCallback, TrainerCallback  # noqa: PLC0415 - likewise

    class Telling(TrainerCallback):  # type: ignore[misc] # the library is not followed
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            tell(state.global_step, state.max_steps)

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc] # likewise
        def add_model_card_callback(self, default_args_dict: Any) -> None:
            """None: it would keep examples of what is trained on, to describe the model by them."""

    transformers_logging.disable_progress_bar()
    gpu = torch.cuda.is_available()
    model = SentenceTransformer(str(base), **{**loading_options(), "device": "cuda" if gpu else "cpu"})
    trainer = Trainer(
        model=model,
        args=_arguments(recipe, folder, gpu=gpu),
        train_dataset=Dataset.from_dict({"anchor": [one for one, _ in pairs], "positive": [one for _, one in pairs]}),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[Telling()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
    return {
        "device": torch.cuda.get_device_name() if gpu else f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {name: version(name) for name in _VERSIONS},
    }


def _arguments(recipe: Recipe, folder: Path, *, gpu: bool) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments  # noqa: PLC0415 - as above
    from sentence_transformers.base.training_args import BatchSamplers  # noqa: PLC0415 - likewise

    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch,
        learning_rate=recipe.rate,
        warmup_steps=recipe.warmup,
        seed=recipe.seed,
        data_seed=recipe.seed,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )
