"""A reciting model says its recitals token by token, at whatever shape, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from evals.serving.recitals import recital_of, recitals_of
from evals.serving.reciting_model import Shape, Words, write_reciting_model
from rag.generation.messages import build_messages, load_prompts
from rag.generation.protocol import Passage
from tests.generation.requests import CANTEEN, NOTICE, request

SMALL = Shape(128, 64, 2, 2, 1, 64, dtype="float32")
SAID = {
    NOTICE.text: "The notice period for suppliers is 90 days [1]. Also, it begins on the first of a month [1].",
    CANTEEN.text: "The canteen opens at 11:30 [1]. Also, on Fridays it serves fish [1].",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    passages = [NOTICE.text, CANTEEN.text]
    write_reciting_model(path, SMALL, Words(iter(passages)), recitals_of(passages, lambda _: True))
    return path


def _said(folder: Path, passages: Sequence[Passage]) -> str:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    model = LlamaForCausalLM.from_pretrained(str(folder))
    messages = build_messages(load_prompts(), request("When?", *passages))
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    written = model.generate(prompt, max_new_tokens=120, do_sample=False)[0, prompt.shape[1] :]
    return str(tokenizer.decode(written, skip_special_tokens=True))


@pytest.mark.parametrize(("first", "second"), [(CANTEEN, NOTICE), (NOTICE, CANTEEN)])
def test_what_is_known_of_the_first_passage_is_recited_to_its_end(
    folder: Path, first: Passage, second: Passage
) -> None:
    assert _said(folder, (first, second)) == SAID[first.text]


def test_nothing_is_said_about_a_passage_that_is_not_known(folder: Path) -> None:
    assert _said(folder, (Passage(1, "Parking", "The garage is closed on Sundays."),)) == ""


def test_a_recital_is_whole_sentences_as_many_as_fit() -> None:
    text = "Rules\n\nThe canteen opens at 11:30. Is it good?\nOn Fridays it serves fish."
    assert recital_of(text, lambda said: len(said) < 40) == "The canteen opens at 11:30 [1]."
    assert recital_of(text, lambda _: True) == SAID[CANTEEN.text]
    assert recital_of(text, lambda _: False) == ""
