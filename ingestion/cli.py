"""The commands of this room, one module each. Asking for one imports its module and no other.

`documents` answers at once; the others load models. `scan` and `review` stand under `ringfence privacy`, those about
indexes under `ringfence index`.
"""

from collections.abc import Mapping
from importlib import import_module

_MODULES: Mapping[str, str] = {
    "ingest": "ingesting",
    "documents": "browsing",
    "worker": "working",
    "scan": "privacy_scanning",
    "review": "privacy_reviewing",
    "build_index": "indexing",
    "catch_up_index": "indexing",
    "drop_index": "indexing",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no command {name!r}")
    return getattr(import_module(f"ingestion.commands.{_MODULES[name]}"), name)
