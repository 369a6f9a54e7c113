"""A model folder for protocol tests: the shape of a small Llama, no weights, a tokenizer made here.

`--load-format dummy` gives it random ones. It babbles, and a whole suite on it costs seconds. Smaller, it would write
faster than the server sends on, and nobody could leave in the middle of an answer.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BEGIN, END = "<|im_start|>", "<|im_end|>"
CONTEXT = 4096
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 4096
TEXTS = Path(__file__).parents[2] / "evals" / "sample_company"


def write_random_model(folder: Path) -> None:
    """Write config, tokenizer and chat template into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _trained()
    size = tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
    ends = {"bos_token_id": tokenizer.token_to_id(BEGIN), "eos_token_id": tokenizer.token_to_id(END)}
    _write(
        folder / "config.json",
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        hidden_size=512,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
        head_dim=64,
        hidden_act="silu",
        rms_norm_eps=1e-5,
        vocab_size=size,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        dtype="float32",
        **ends,
    )
    _write(folder / "generation_config.json", **ends)


def _trained() -> Tokenizer:
    """A byte-level BPE, as most models have one: any text has tokens, and none has as many tokens as bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _texts() -> Iterator[str]:
    for path in sorted(TEXTS.rglob("*.md")):
        yield path.read_text(encoding="utf-8")


def _write(path: Path, **values: object) -> None:
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
