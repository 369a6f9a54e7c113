"""A sentence-transformers folder with the bundled model's words and forms, and a network of random weights so small
that training it takes seconds."""

import json
import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from rag.embedding.locate import locate
from rag.embedding.manifest import write_manifest
from rag.settings import EmbeddingSettings

DIM = 32
KEPT = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "modules.json")
KEPT_TOO = ("sentence_bert_config.json", "config_sentence_transformers.json")


def write_tiny_embedder(folder: Path) -> str:
    """Write it; return the digest to configure."""
    original, _ = locate(EmbeddingSettings())
    folder.mkdir(parents=True)
    for name in (*KEPT, *KEPT_TOO):
        shutil.copyfile(original / name, folder / name)
    pooling = json.loads((original / "1_Pooling" / "config.json").read_text())
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({**pooling, "word_embedding_dimension": DIM}))
    torch.manual_seed(7)
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 512}
    BertModel(BertConfig(hidden_size=DIM, **shape)).save_pretrained(folder)
    return write_manifest(folder, "tiny")
