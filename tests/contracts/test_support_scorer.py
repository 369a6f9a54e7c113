"""One contract for every support scorer, and what a CrossEncoder folder must be to become one."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from rag.embedding.manifest import write_manifest
from rag.errors import Damaged, Misuse, RingfenceError
from rag.query.cross_encoder import open_scorer
from rag.query.scorer import SupportScorer
from rag.settings import GeneratorSettings

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "annual", "leave", "is", "25", "28", "days", "of", "paid"]
CLAIM, EVIDENCE = "the annual leave is 28 days", ["the annual leave is 28 days of paid leave", "leave is paid", "days"]
TOKENS_MAX = 32

Made = Callable[..., GeneratorSettings]


def make_folder(folder: Path, *, labels: dict[int, str] | None = None) -> str:
    """A CrossEncoder of two layers with random weights; returns the digest to configure."""
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=TOKENS_MAX,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=TOKENS_MAX, **({"num_labels": 1} if labels is None else {"id2label": labels}),
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return write_manifest(folder, "tiny")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(**options: dict[int, str]) -> GeneratorSettings:
        return GeneratorSettings(support_model=str(tmp_path), support_sha256=make_folder(tmp_path, **options))

    return make


INFERENCE = {0: "contradiction", 1: "Entailment", 2: "neutral"}


@pytest.fixture(params=["none", "one output", "inference"])
def scorer(request: pytest.FixtureRequest, made: Made) -> SupportScorer:
    if request.param == "none":
        return open_scorer(GeneratorSettings())
    return open_scorer(made() if request.param == "one output" else made(labels=INFERENCE))


async def test_each_text_has_a_score_from_0_to_1_in_its_order(scorer: SupportScorer) -> None:
    scores = await scorer.score(CLAIM, EVIDENCE)
    assert (scores.shape, scores.dtype) == ((3,), np.float32)
    assert ((scores >= 0) & (scores <= 1)).all()
    for text, score in zip(EVIDENCE, scores, strict=True):
        assert (await scorer.score(CLAIM, [text]))[0] == pytest.approx(score, abs=1e-5)
    assert (await scorer.score(CLAIM, [])).shape == (0,)


async def test_many_can_ask_at_once(scorer: SupportScorer) -> None:
    expected = await scorer.score(CLAIM, EVIDENCE)
    for scores in await asyncio.gather(*(scorer.score(CLAIM, EVIDENCE) for _ in range(8))):
        assert scores == pytest.approx(expected, abs=1e-5)


async def test_the_model_works_in_another_thread_than_the_service(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = open_scorer(made())
    threads: list[threading.Thread] = []
    predict = scorer._model.predict  # type: ignore[attr-defined]  # of the adapter, not of the protocol

    def watched(*args: object, **options: object) -> object:
        threads.append(threading.current_thread())
        return predict(*args, **options)

    monkeypatch.setattr(scorer._model, "predict", watched)  # type: ignore[attr-defined]  # as above
    await scorer.score(CLAIM, EVIDENCE)
    assert threads
    assert threading.main_thread() not in threads


async def test_what_the_model_would_cut_off_supports_nothing(made: Made) -> None:
    scores = await open_scorer(made()).score(CLAIM, ["leave " * TOKENS_MAX, "leave"])
    assert scores[0] == 0.0
    assert scores[1] > 0.0


async def test_of_several_outputs_the_share_of_entailment_counts(made: Made) -> None:
    scorer = open_scorer(made(labels=INFERENCE))
    model = scorer._model.model  # type: ignore[attr-defined]  # of the adapter, not of the protocol
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 9.0, 0.0]))
    assert (await scorer.score(CLAIM, EVIDENCE)).min() > 0.99
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
    assert (await scorer.score(CLAIM, EVIDENCE)).max() < 0.01
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    assert (await scorer.score(CLAIM, EVIDENCE)).tolist() == [0.0, 0.0, 0.0]


def _another_digest(settings: GeneratorSettings) -> GeneratorSettings:
    return settings.model_copy(update={"support_sha256": "0" * 64})


def _no_digest(settings: GeneratorSettings) -> GeneratorSettings:
    return settings.model_copy(update={"support_sha256": None})


def _no_folder(settings: GeneratorSettings) -> GeneratorSettings:
    return settings.model_copy(update={"support_model": f"{settings.support_model}/nowhere"})


def _another_weight(settings: GeneratorSettings) -> GeneratorSettings:
    weights = Path(settings.support_model) / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    return settings


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (_another_digest, Damaged, "RINGFENCE_GENERATOR__SUPPORT_SHA256"),
        (_no_digest, Misuse, "RINGFENCE_GENERATOR__SUPPORT_SHA256"),
        (_no_folder, Misuse, "RINGFENCE_GENERATOR__SUPPORT_MODEL"),
        (_another_weight, Damaged, "model.safetensors"),
    ],
)
def test_a_folder_that_is_not_the_configured_one_is_not_loaded(
    made: Made, change: Callable[[GeneratorSettings], GeneratorSettings], error: type[RingfenceError], says: str
) -> None:
    """The twin: as it was made, it is."""
    settings = made()
    assert open_scorer(settings) is not None
    with pytest.raises(error, match=says):
        open_scorer(change(settings))


def test_a_model_that_tells_nothing_about_support_is_refused(made: Made) -> None:
    with pytest.raises(Damaged, match="entailment"):
        open_scorer(made(labels={0: "joy", 1: "anger"}))
