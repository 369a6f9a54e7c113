"""How long a command lets its user wait is decided by what it imports."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

ENTRY_POINTS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["entry-points"]
LOADS_MODELS = {"ingest", "worker"}
"""The commands that have no way without a model. `serve` and `ask` load theirs after what can be said before."""
MODEL_LIBRARIES = {"torch", "transformers", "sentence_transformers", "sklearn", "spacy", "onnxruntime"}


def test_commands_import_no_library_of_a_model_before_they_need_one() -> None:
    quick = {value for name, value in ENTRY_POINTS["ringfence.commands"].items() if name not in LOADS_MODELS}
    code = f"""
import sys
from importlib.metadata import EntryPoint
for value in {sorted(quick)}:
    EntryPoint("command", value, "ringfence.commands").load()
print({MODEL_LIBRARIES} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"
    assert all(find_spec(name) for name in MODEL_LIBRARIES), "a name that is no library is never found"
