"""The manifest of a report: what somebody needs to run it again, and to see whether two runs can be compared."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evals.runner.values import Json

_PACKAGES = (
    "ringfence", "qdrant-edge-py", "sentence-transformers", "torch", "onnxruntime", "presidio-analyzer", "spacy",
    "pycasbin", "sqlalchemy",
)  # fmt: skip


def manifest(arguments: Mapping[str, Json], duration_s: float, provenance: Mapping[str, Json]) -> dict[str, Json]:
    """Commit, versions, machine, seed, arguments, and `provenance`: digests of models, prompts and data."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: _version(name) for name in _PACKAGES},
        "seed": arguments.get("seed"),
        "arguments": dict(arguments),
        **provenance,
        "duration_s": round(duration_s, 1),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout, with `+changes` where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "--short=12", "HEAD")
        return f"{head}+changes" if _git(here, "status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
