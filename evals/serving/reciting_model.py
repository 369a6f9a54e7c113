"""A model that recites: a Llama of any shape, at the cost of that shape, that writes sentences known beforehand.

A model of random weights writes nonsense, and nothing that is verified. Here each token's embedding is the code of the
token that follows it, and the output layer holds those codes: the layers between add too little to change which one
wins. So greedy decoding goes from token to token of a recital. A word occurs in many recitals and has one follower in
each, so every place in a recital has a token of its own that is written like the word.

The chat template ends a prompt with the one token that stands for the first line of the first passage; what follows it
is the recital about that passage. After any other token comes the end.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from evals.serving.recitals import Recitals

CONTEXT = 8192
SEED = 20
BEGIN, END = "<|im_start|>", "<|im_end|>"
QUIET = 1e-6
"""How large the weights are through which a layer adds to what it was given: real numbers, and too small to matter."""
_WORDS = 4096
_PLACE = "\u2063"
"""Between a token's text and the place that it has in the recitals: in no text that is tokenized byte by byte."""
_ABOUT = "<|about {}|>"
# A passage's title stands behind the mark that each of its lines begins with: nine characters.
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% set passage = messages[-1]['content'].split('title=\"') %}"
    "{% if passage | length > 1 %}"
    "{% set lines = passage[1].split('\\n' + passage[1][:9] + ' ') %}"
    "{% if lines | length > 1 %}<|about {{ lines[1].split('\\n')[0] }}|>{% endif %}"
    "{% endif %}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of a Llama, under the names of its configuration. `vocab_size` grows where recitals need more."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int = 0
    dtype: str = "bfloat16"


SHAPES = {
    "tiny": Shape(512, 1024, 6, 8, 8, 64, dtype="float32"),
    "1b": Shape(2048, 8192, 16, 32, 8, 64, 128_256),
    "8b": Shape(4096, 14_336, 32, 32, 8, 128, 128_256),
}
"""`tiny` for a processor; the others are those of Llama 3.2 1B, with an output layer of its own, and Llama 3.1 8B."""


class Words:
    """A byte-level BPE trained on the recitals: how many tokens a text has, before it has tokens of its own."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=_WORDS, special_tokens=[BEGIN, END], initial_alphabet=alphabet, show_progress=False
        )
        self.tokenizer.train_from_iterator(texts, trainer)

    def tokens(self, text: str) -> list[str]:
        return list(self.tokenizer.encode(text).tokens)


def write_reciting_model(folder: Path, shape: Shape, words: Words, recitals: Recitals) -> None:
    """Write configuration, tokenizer and weights in the layout of Hugging Face: 16 GB for `8b`, 120 MB for `tiny`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, following = _tokenizer_of(words, recitals)
    size = max(shape.vocab_size, tokenizer.get_vocab_size())
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = {"bos_token_id": tokenizer.token_to_id(BEGIN), "eos_token_id": tokenizer.token_to_id(END)}
    _write_json(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=_TEMPLATE,
    )
    _write_json(
        folder / "config.json",
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        hidden_act="silu",
        rms_norm_eps=1e-5,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        **(asdict(shape) | {"vocab_size": size} | ends),
    )
    _write_json(folder / "generation_config.json", **ends)
    followers = torch.full((size,), tokenizer.token_to_id(END))
    for token, follower in following.items():
        followers[token] = follower
    _write_weights(folder, shape, followers)


def _tokenizer_of(words: Words, recitals: Recitals) -> tuple[Tokenizer, dict[int, int]]:
    """A tokenizer that also has a token for each place in a recital, and which token follows which, by their ids."""
    trained = json.loads(words.tokenizer.to_str())
    vocabulary: dict[str, int] = trained["model"]["vocab"]
    chains: list[list[int]] = []
    for said in recitals.values():
        chains.append([])
        for token in words.tokens(said):
            chains[-1].append(len(vocabulary))
            vocabulary[f"{token}{_PLACE}{len(vocabulary)}"] = len(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(trained))
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex(rf"{_PLACE}\d+"), ""), decoders.ByteLevel()])
    about = [_ABOUT.format(line) for line in recitals]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in about])
    following: dict[int, int] = {}
    for name, chain in zip(about, chains, strict=True):
        first = tokenizer.token_to_id(name)
        assert first is not None
        following |= dict(pairwise([first, *chain]))
    return tokenizer, following


def _write_weights(folder: Path, shape: Shape, followers: torch.Tensor) -> None:
    """`followers`: the id of the token that comes after each token, [vocabulary]."""
    dtype, device = getattr(torch, shape.dtype), "cuda" if torch.cuda.is_available() else "cpu"
    made = torch.Generator(device).manual_seed(SEED)
    width = shape.hidden_size

    def random(rows: int, columns: int, scale: float) -> torch.Tensor:
        values = torch.randn(rows, columns, generator=made, device=device, dtype=dtype)
        return values.mul_(scale).cpu()

    # Codes of ones and minus ones: that of the right token scores `width`, any other about its root.
    signs = torch.randint(0, 2, (len(followers), width), generator=made, device=device, dtype=torch.int8)
    codes = (signs * 2 - 1).to(dtype).cpu()
    queries, keys = (heads * shape.head_dim for heads in (shape.num_attention_heads, shape.num_key_value_heads))
    inner, scale = shape.intermediate_size, width**-0.5
    # One layer's numbers serve for all: what they are changes neither the result nor its cost.
    layer = {
        "input_layernorm.weight": torch.ones(width, dtype=dtype),
        "post_attention_layernorm.weight": torch.ones(width, dtype=dtype),
        "self_attn.q_proj.weight": random(queries, width, scale),
        "self_attn.k_proj.weight": random(keys, width, scale),
        "self_attn.v_proj.weight": random(keys, width, scale),
        "self_attn.o_proj.weight": random(width, queries, QUIET),
        "mlp.gate_proj.weight": random(inner, width, scale),
        "mlp.up_proj.weight": random(inner, width, scale),
        "mlp.down_proj.weight": random(width, inner, QUIET),
    }
    parts = [{"model.embed_tokens.weight": codes[followers], "lm_head.weight": codes}]
    parts[0]["model.norm.weight"] = torch.ones(width, dtype=dtype)
    parts += [{f"model.layers.{n}.{name}": layer[name] for name in layer} for n in range(shape.num_hidden_layers)]
    places: dict[str, str] = {}
    for number, tensors in enumerate(parts, start=1):
        name = f"model-{number:05}-of-{len(parts):05}.safetensors"
        save_file(tensors, folder / name, {"format": "pt"})
        places |= dict.fromkeys(tensors, name)
    size = sum(tensor.nbytes for tensors in parts for tensor in tensors.values())
    _write_json(folder / "model.safetensors.index.json", metadata={"total_size": size}, weight_map=places)


def _write_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
